package main

import (
	"bytes"
	"syscall"

	"troth.invalid/bench/eventloop"
)

// caller is one connection of a client that asks, reads the whole answer, and asks again.
type caller struct {
	run      *run
	fd       int
	answer   answer
	unsent   []byte
	text     []byte // buffered: the body; streamed: what may be half an event, and the end
	events   int
	rounds   int
	askedAt  int64
	isOpen   bool
	isAsking bool
	isOver   bool
}

var (
	stamp    = []byte("t=")
	doneMark = []byte("[DONE]")
	stopMark = []byte("message_stop")
)

// Expired starts the caller; the ramp spreads these over time.
func (c *caller) Expired() {
	if !c.isOver {
		c.ask()
	}
}

func (c *caller) ask() {
	if !c.isOpen && !c.dial() {
		return
	}
	c.answer.reset()
	c.text = c.text[:0]
	c.events = 0
	c.isAsking = true
	c.askedAt = eventloop.Now()
	count, err := eventloop.Write(c.fd, c.run.request)
	if err != nil {
		c.fail("write")
		return
	}
	if count < len(c.run.request) {
		c.unsent = c.run.request[count:]
		c.run.loop.Writes(c.fd, true)
	}
}

func (c *caller) dial() bool {
	fd, err := eventloop.Dial(c.run.address)
	if err != nil {
		c.fail("connect")
		return false
	}
	c.fd = fd
	c.isOpen = true
	_ = c.run.loop.Add(fd, c)
	return true
}

func (c *caller) Writable() {
	count, err := eventloop.Write(c.fd, c.unsent)
	if err != nil {
		c.fail("write")
		return
	}
	c.unsent = c.unsent[count:]
	if len(c.unsent) == 0 {
		c.run.loop.Writes(c.fd, false)
	}
}

func (c *caller) Readable() {
	count, err := eventloop.Read(c.fd, c.run.scratch)
	if err == syscall.EAGAIN {
		return
	}
	if err != nil || count == 0 {
		c.ended()
		return
	}
	if !c.isAsking {
		c.fail("unasked")
		return
	}
	now := eventloop.Now()
	rest, err := c.answer.feed(c.run.scratch[:count], func(piece []byte) { c.take(piece, now) })
	if err != nil || len(rest) > 0 {
		c.fail("malformed")
		return
	}
	if c.answer.state == complete {
		c.finish(now)
	}
}

// ended is the peer's close: the end of an answer without a length, or a failure while we ask.
func (c *caller) ended() {
	if c.answer.state == untilClose && c.isAsking {
		c.hangUp()
		c.finish(eventloop.Now())
		return
	}
	if c.isAsking {
		c.fail("closed")
		return
	}
	c.hangUp()
}

func (c *caller) take(piece []byte, now int64) {
	c.text = append(c.text, piece...)
	if c.run.events == 0 || c.answer.status != 200 {
		return
	}
	for {
		at := bytes.Index(c.text, stamp)
		if at < 0 {
			break
		}
		end := at + len(stamp)
		for end < len(c.text) && c.text[end] >= '0' && c.text[end] <= '9' {
			end++
		}
		if end == len(c.text) {
			return // the number may go on
		}
		sent := int64(leading(c.text[at+len(stamp):end], 10))
		if sent >= c.askedAt && sent <= now {
			c.events++
			c.run.added = append(c.run.added, now-sent)
		}
		c.text = c.text[end:]
	}
	if keep := 512; len(c.text) > 4*keep {
		c.text = append(c.text[:0], c.text[len(c.text)-keep:]...)
	}
}

func (c *caller) finish(now int64) {
	c.isAsking = false
	c.run.ended(c, now)
	if c.answer.closes {
		c.hangUp()
	}
	c.next()
}

func (c *caller) fail(why string) {
	c.isAsking = false
	c.run.errors[why]++
	c.hangUp()
	c.next()
}

func (c *caller) next() {
	c.rounds++
	now := eventloop.Now()
	if c.run.isStopping(c.rounds, now) {
		c.leave()
		return
	}
	if c.isOpen && c.answer.status == 200 {
		c.ask()
		return
	}
	c.run.loop.At(now+10_000_000, c) // after a failure, not at full speed
}

func (c *caller) leave() {
	if !c.isOver {
		c.isOver = true
		c.run.left()
	}
}

func (c *caller) hangUp() {
	if c.isOpen {
		c.isOpen = false
		c.unsent = nil
		c.run.loop.Close(c.fd)
	}
}

// isWhole says whether a buffered answer holds the expected text, or a stream all its events and
// its dialect's last word.
func (c *caller) isWhole() bool {
	if c.run.events == 0 {
		return bytes.Contains(c.text, c.run.expected)
	}
	return c.events == c.run.events &&
		(bytes.Contains(c.text, doneMark) || bytes.Contains(c.text, stopMark))
}
