package main

import "testing"

func decode(t *testing.T, wire string, step int) (string, *answer) {
	t.Helper()
	var body []byte
	var a answer
	for at := 0; at < len(wire); at += step {
		piece := []byte(wire[at:min(at+step, len(wire))])
		if _, err := a.feed(piece, func(part []byte) { body = append(body, part...) }); err != nil {
			t.Fatal(err)
		}
	}
	return string(body), &a
}

func TestAnAnswerIsTheSameAtEverySplit(t *testing.T) {
	wires := map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello":                                          "hello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n":  "hello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello":             "hello",
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nB\r\nhello world\r\n0\r\nx: y\r\n\r\n": "hello world",
	}
	for wire, want := range wires {
		for step := 1; step <= len(wire); step++ {
			body, a := decode(t, wire, step)
			if body != want || a.status != 200 || a.state != complete {
				t.Fatalf("step %d: %q, status %d, state %d", step, body, a.status, a.state)
			}
		}
	}
}

func TestAnAnswerWithoutLengthEndsWithItsConnection(t *testing.T) {
	body, a := decode(t, "HTTP/1.1 200 OK\r\n\r\nhello", 3)
	if body != "hello" || a.state != untilClose || !a.closes {
		t.Fatal(body, a.state)
	}
}
