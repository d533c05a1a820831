package main

import "testing"

const body = `{"model":"m","stream": true,"stream_options":{"include_usage":true},` +
	`"messages":[{"role":"user","content":"troth-bench events=64 every_ms=50 go"}]}`

func TestARequestIsReadWithALengthAndInChunks(t *testing.T) {
	wires := []string{
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 146\r\n\r\n" + body,
		"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n92\r\n" + body +
			"\r\n0\r\n\r\n",
	}
	for _, wire := range wires {
		if len(body) != 146 {
			t.Fatal(len(body))
		}
		for cut := range wire {
			if _, taken, _ := parse([]byte(wire[:cut])); taken != 0 {
				t.Fatalf("taken at %d", cut)
			}
		}
		asked, taken, _ := parse([]byte(wire + "next"))
		if taken != len(wire) || !asked.isStream || !asked.hasUsage {
			t.Fatalf("%d of %d, %+v", taken, len(wire), asked)
		}
		if asked.events != 64 || asked.everyMs != 50 || string(asked.path) != "/v1/chat/completions" {
			t.Fatalf("%+v", asked)
		}
	}
}
