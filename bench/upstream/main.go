// Command upstream is the mock provider of the bench: OpenAI chat completions and embeddings and
// Anthropic messages, buffered and streamed, over HTTP/1.1, on one thread. What a stream does is
// asked for in the prompt (request.go); every event carries its send time (answers.go).
package main

import (
	"flag"
	"fmt"
	"log"

	"troth.invalid/bench/eventloop"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; loopback only")
	certificates := flag.String("tls", "", "folder for a new CA and certificate; serves TLS 1.3 then")
	flag.Parse()
	if err := run(*listen, *certificates); err != nil {
		log.Fatal(err)
	}
}

func run(listen, certificates string) error {
	address, err := eventloop.Address(listen)
	if err != nil {
		return err
	}
	if certificates != "" {
		return serveTLS(listen, certificates, newLibrary())
	}
	loop, err := eventloop.New()
	if err != nil {
		return err
	}
	socket, err := eventloop.Listen(address)
	if err != nil {
		return err
	}
	fmt.Printf("{\"port\":%d}\n", eventloop.Port(socket))
	server := &server{loop: loop, socket: socket, library: newLibrary(), scratch: make([]byte, 256<<10)}
	if err = loop.Add(socket, server); err != nil {
		return err
	}
	return loop.Run()
}

// server accepts; its scratch buffer is shared by all connections, for there is one thread.
type server struct {
	loop    *eventloop.Loop
	socket  int
	library *library
	scratch []byte
}

func (s *server) Readable() {
	for {
		fd, ok := eventloop.Accept(s.socket)
		if !ok {
			return
		}
		_ = s.loop.Add(fd, &connection{server: s, fd: fd})
	}
}

func (s *server) Writable() {}
func (s *server) Expired()  {}
