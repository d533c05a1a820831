package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// serveTLS is the same mock over TLS 1.3 with a CA of its own, one goroutine a connection: slower
// than the loop, but faster than any gateway's TLS.
func serveTLS(listen, folder string, library *library) error {
	certificate, err := issue(folder)
	if err != nil {
		return err
	}
	configuration := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	listener, err := tls.Listen("tcp4", listen, configuration)
	if err != nil {
		return err
	}
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		accepted, err := listener.Accept()
		if err != nil {
			return err
		}
		go converse(accepted, library)
	}
}

func converse(caller net.Conn, library *library) {
	defer caller.Close()
	buffer := make([]byte, 0, 16<<10)
	for {
		if len(buffer) == cap(buffer) {
			buffer = append(make([]byte, 0, 4*cap(buffer)), buffer...)
		}
		count, err := caller.Read(buffer[len(buffer):cap(buffer)])
		if err != nil {
			return
		}
		buffer = buffer[:len(buffer)+count]
		for len(buffer) > 0 {
			asked, taken, expects := parse(buffer)
			if expects {
				_, _ = caller.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
			}
			if taken == 0 {
				break
			}
			if !reply(caller, library, asked) {
				return
			}
			buffer = buffer[:copy(buffer, buffer[taken:])]
		}
	}
}

func reply(caller net.Conn, library *library, asked request) bool {
	due := time.Now().Add(time.Duration(asked.delayMs) * time.Millisecond)
	time.Sleep(time.Until(due))
	speaks, buffered := library.answer(&asked)
	if !asked.isStream || speaks == nil {
		_, err := caller.Write(buffered)
		return err == nil && !asked.closes
	}
	play := script{speaks: speaks, asked: asked}
	out := play.start(nil)
	for more := true; ; {
		if _, err := caller.Write(out); err != nil {
			return false
		}
		if !more {
			return !asked.closes
		}
		due = due.Add(time.Duration(asked.everyMs) * time.Millisecond)
		time.Sleep(time.Until(due))
		out, more = play.next(out[:0])
	}
}

// issue makes a CA and a certificate for 127.0.0.1 and leaves ca.pem for the gateways to trust.
func issue(folder string) (tls.Certificate, error) {
	nothing := tls.Certificate{}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nothing, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nothing, err
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Troth bench CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: []byte{1, 2, 3, 4},
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return nothing, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), authorityKey)
	if err != nil {
		return nothing, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER})
	if err = os.WriteFile(filepath.Join(folder, "ca.pem"), text, 0o600); err != nil {
		return nothing, err
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, nil
}
