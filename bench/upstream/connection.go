package main

import (
	"syscall"
	"time"

	"troth.invalid/bench/eventloop"
)

// connection is one caller. Requests are answered one after the other; one that comes while a
// stream runs waits in unread.
type connection struct {
	server *server
	fd     int
	unread []byte
	unsent []byte
	script script
	step   step
	due    int64
	closed bool
}

// step is what the next timer does.
type step int

const (
	idle step = iota
	waiting
	streaming
)

func (c *connection) Readable() {
	count, err := eventloop.Read(c.fd, c.server.scratch)
	if err == syscall.EAGAIN {
		return
	}
	if err != nil || count == 0 {
		c.close()
		return
	}
	arrived := c.server.scratch[:count]
	if len(c.unread) > 0 {
		c.unread = append(c.unread, arrived...)
		arrived = c.unread
	}
	rest := c.consume(arrived)
	if c.closed {
		return
	}
	c.unread = append(c.unread[:0], rest...)
}

func (c *connection) consume(data []byte) []byte {
	for len(data) > 0 && c.step == idle && !c.closed {
		asked, taken, expects := parse(data)
		if expects {
			c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
		}
		if taken == 0 {
			return data
		}
		data = data[taken:]
		asked.path = append([]byte(nil), asked.path...)
		c.serve(asked)
	}
	return data
}

func (c *connection) serve(asked request) {
	c.script = script{asked: asked}
	c.due = eventloop.Now()
	if asked.delayMs > 0 {
		c.step = waiting
		c.later(asked.delayMs)
		return
	}
	c.answer()
}

func (c *connection) answer() {
	speaks, buffered := c.server.library.answer(&c.script.asked)
	if !c.script.asked.isStream || speaks == nil {
		c.step = idle
		c.write(buffered)
		c.finish()
		return
	}
	c.script.speaks = speaks
	c.step = streaming
	var room [2048]byte
	c.write(c.script.start(room[:0]))
	c.pace()
}

// pace sends what is due: all at once where no time lies between events, each in its own write.
func (c *connection) pace() {
	if c.script.asked.everyMs > 0 {
		c.later(c.script.asked.everyMs)
		return
	}
	for c.step == streaming && !c.closed {
		c.event()
	}
}

func (c *connection) event() {
	var room [2048]byte
	out, more := c.script.next(room[:0])
	c.write(out)
	if !more {
		c.step = idle
		c.finish()
	}
}

func (c *connection) later(milliseconds int) {
	c.due += int64(milliseconds) * int64(time.Millisecond)
	c.server.loop.At(c.due, c)
}

func (c *connection) Expired() {
	if c.closed {
		return
	}
	switch c.step {
	case waiting:
		c.answer()
	case streaming:
		c.event()
		if c.step == streaming {
			c.later(c.script.asked.everyMs)
		} else if len(c.unread) > 0 {
			c.unread = append(c.unread[:0], c.consume(c.unread)...)
		}
	case idle:
	}
}

func (c *connection) finish() {
	if c.script.asked.closes && len(c.unsent) == 0 {
		c.close()
	}
}

func (c *connection) write(data []byte) {
	if c.closed {
		return
	}
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, data...)
		return
	}
	count, err := eventloop.Write(c.fd, data)
	if err != nil {
		c.close()
		return
	}
	if count < len(data) {
		c.unsent = append(c.unsent, data[count:]...)
		c.server.loop.Writes(c.fd, true)
	}
}

func (c *connection) Writable() {
	count, err := eventloop.Write(c.fd, c.unsent)
	if err != nil {
		c.close()
		return
	}
	c.unsent = append(c.unsent[:0], c.unsent[count:]...)
	if len(c.unsent) == 0 {
		c.server.loop.Writes(c.fd, false)
	}
}

func (c *connection) close() {
	if !c.closed {
		c.closed = true
		c.server.loop.Close(c.fd)
	}
}
