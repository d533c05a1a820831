// Command load is the bench's client: a number of connections on one thread that ask the same
// request over and over, check every answer, and time it. A streamed answer is checked event by
// event: each carries its send time, so what a gateway adds to each event is measured.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"troth.invalid/bench/eventloop"
)

type options struct {
	address, path, body, expected string
	headers                       []string
	connections, rounds, events   int
	seconds, ramp, deadline       float64
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "", "127.0.0.1:port of the gateway")
	flag.StringVar(&o.path, "path", "/v1/chat/completions", "path of the request")
	flag.StringVar(&o.body, "body", "", "file with the request's body")
	flag.StringVar(&o.expected, "expect", "troth-bench-answer", "text that a buffered answer must hold")
	flag.Func("header", "one more header, `name: value`", func(text string) error {
		o.headers = append(o.headers, text)
		return nil
	})
	flag.IntVar(&o.connections, "connections", 1, "connections, each with one request at a time")
	flag.IntVar(&o.rounds, "rounds", 0, "requests a connection; 0: until the seconds are over")
	flag.IntVar(&o.events, "events", 0, "timed events in each answer; 0: a buffered answer")
	flag.Float64Var(&o.seconds, "seconds", 2, "how long to go on asking, where rounds is 0")
	flag.Float64Var(&o.ramp, "ramp", 0, "seconds over which the connections start")
	flag.Float64Var(&o.deadline, "deadline", 60, "seconds after which the run is ended")
	flag.Parse()
	if err := measure(o); err != nil {
		log.Fatal(err)
	}
}

func measure(o options) error {
	address, err := eventloop.Address(o.address)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(o.body)
	if err != nil {
		return err
	}
	loop, err := eventloop.New()
	if err != nil {
		return err
	}
	r := &run{
		loop: loop, address: address, request: request(o, body), expected: []byte(o.expected),
		events: o.events, rounds: o.rounds, active: o.connections,
		scratch: make([]byte, 256<<10), errors: map[string]int{}, startedAt: eventloop.Now(),
	}
	r.endedAt = r.startedAt
	if o.rounds == 0 {
		r.stopAt = r.startedAt + nano(o.seconds)
	}
	callers := make([]*caller, o.connections)
	for at := range callers {
		callers[at] = &caller{run: r}
		share := float64(at) / float64(o.connections)
		loop.At(r.startedAt+nano(share*o.ramp), callers[at])
	}
	loop.At(r.startedAt+nano(o.deadline), deadline{r})
	if err = loop.Run(); err != nil {
		return err
	}
	asked := 0
	for _, c := range callers {
		asked += c.rounds
		if c.isAsking {
			asked++
			r.eventsSeen += c.events
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r.report(asked))
}

func nano(seconds float64) int64 { return int64(seconds * float64(time.Second)) }

func request(o options, body []byte) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\n", o.path, o.address)
	for _, header := range o.headers {
		fmt.Fprintf(&out, "%s\r\n", strings.TrimSpace(header))
	}
	fmt.Fprintf(&out, "accept: */*\r\nuser-agent: troth-bench\r\ncontent-length: %d\r\n\r\n", len(body))
	out.Write(body)
	return out.Bytes()
}
