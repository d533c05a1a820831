package main

import (
	"slices"
	"strconv"
	"syscall"

	"troth.invalid/bench/eventloop"
)

// run is one measurement: what to ask, how often, and what came back.
type run struct {
	loop     *eventloop.Loop
	address  *syscall.SockaddrInet4
	request  []byte
	expected []byte
	events   int
	rounds   int // requests a connection; 0: until stopAt
	stopAt   int64
	active   int
	scratch  []byte

	startedAt, endedAt int64
	completed, wrong   int
	eventsSeen         int
	latencies, added   []int64
	errors             map[string]int
}

// Spread is the distribution of a duration, in microseconds.
type Spread struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	Max   float64 `json:"max_us"`
}

// Report is what the program prints, as one line of JSON.
type Report struct {
	Program         string         `json:"program"`
	Seconds         float64        `json:"seconds"`
	Completed       int            `json:"completed"`
	Failed          int            `json:"failed"`
	Errors          map[string]int `json:"errors"`
	RequestsASecond float64        `json:"requests_a_second"`
	Latency         Spread         `json:"latency"`
	EventsExpected  int            `json:"events_expected"`
	EventsDelivered int            `json:"events_delivered"`
	Added           Spread         `json:"added"`
}

func (r *run) ended(c *caller, now int64) {
	r.endedAt = now
	r.eventsSeen += c.events
	switch {
	case c.answer.status != 200:
		r.errors["status_"+strconv.Itoa(c.answer.status)]++
	case !c.isWhole():
		r.errors["not_whole"]++
	default:
		r.completed++
		r.latencies = append(r.latencies, now-c.askedAt)
	}
}

func (r *run) isStopping(rounds int, now int64) bool {
	return (r.rounds > 0 && rounds >= r.rounds) || (r.stopAt > 0 && now >= r.stopAt)
}

func (r *run) left() {
	r.active--
	if r.active == 0 {
		r.loop.Stop()
	}
}

// deadline ends a run that does not end by itself; what is open counts as unfinished.
type deadline struct{ run *run }

func (d deadline) Readable() {}
func (d deadline) Writable() {}
func (d deadline) Expired() {
	d.run.errors["unfinished"] += d.run.active
	d.run.endedAt = eventloop.Now()
	d.run.loop.Stop()
}

func (r *run) report(asked int) Report {
	failed := 0
	for _, count := range r.errors {
		failed += count
	}
	seconds := float64(r.endedAt-r.startedAt) / 1e9
	report := Report{
		Program: "compiled", Seconds: seconds, Completed: r.completed, Failed: failed,
		Errors: r.errors, Latency: spread(r.latencies), Added: spread(r.added),
		EventsExpected: asked * r.events, EventsDelivered: r.eventsSeen,
	}
	if seconds > 0 {
		report.RequestsASecond = float64(r.completed) / seconds
	}
	return report
}

func spread(values []int64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	at := func(share float64) float64 {
		return float64(values[int(share*float64(len(values)-1))]) / 1e3
	}
	return Spread{Count: len(values), P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1)}
}
