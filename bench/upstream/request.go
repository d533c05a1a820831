package main

import (
	"bytes"
	"strconv"
)

// A request as far as the mock cares: which answer, and what the marker in the prompt asks for.
// The marker rides in the text of a message: `troth-bench events=64 every_ms=50 delay_ms=0`.
type request struct {
	path     []byte
	isStream bool
	hasUsage bool // stream_options.include_usage
	closes   bool
	events   int
	everyMs  int
	delayMs  int
}

var (
	headEnd       = []byte("\r\n\r\n")
	marker        = []byte("troth-bench ")
	includeUsage  = []byte(`"include_usage"`)
	streamField   = []byte(`"stream"`)
	lengthHeader  = []byte("content-length:")
	chunkedHeader = []byte("transfer-encoding:")
	closeHeader   = []byte("connection: close")
	expectHeader  = []byte("expect: 100-continue")
)

// parse reads one whole request from the front of data. taken is 0 while it is not complete;
// expects says that the peer waits for a 100 before it sends the body.
func parse(data []byte) (found request, taken int, expects bool) {
	end := bytes.Index(data, headEnd)
	if end < 0 {
		return found, 0, false
	}
	head := bytes.ToLower(data[:end+2])
	rest := data[end+4:]
	body, used, complete := content(head, rest)
	if !complete {
		return found, 0, len(rest) == 0 && bytes.Contains(head, expectHeader)
	}
	if start := bytes.IndexByte(head, ' '); start >= 0 {
		path := head[start+1:]
		if stop := bytes.IndexByte(path, ' '); stop >= 0 {
			found.path = path[:stop]
		}
	}
	found.closes = bytes.Contains(head, closeHeader)
	found.isStream = truth(body, streamField)
	found.hasUsage = truth(body, includeUsage)
	if at := bytes.Index(body, marker); at >= 0 {
		found.asks(body[at+len(marker):])
	}
	return found, end + 4 + used, false
}

func content(head, rest []byte) (body []byte, used int, complete bool) {
	if at := bytes.Index(head, lengthHeader); at >= 0 {
		length, _ := number(bytes.TrimLeft(head[at+len(lengthHeader):], " "))
		if len(rest) < length {
			return nil, 0, false
		}
		return rest[:length], length, true
	}
	if bytes.Contains(head, chunkedHeader) {
		return unchunk(rest)
	}
	return nil, 0, true
}

func unchunk(rest []byte) (body []byte, used int, complete bool) {
	at := 0
	for {
		line := bytes.IndexByte(rest[at:], '\n')
		if line < 0 {
			return nil, 0, false
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(rest[at:at+line])), 16, 32)
		at += line + 1
		if err != nil || len(rest) < at+int(size)+2 {
			return nil, 0, false
		}
		if size == 0 {
			return body, at + 2, true
		}
		body = append(body, rest[at:at+int(size)]...)
		at += int(size) + 2
	}
}

// truth finds `"field": true` with any spaces; good enough for requests we made ourselves.
func truth(body, field []byte) bool {
	at := bytes.Index(body, field)
	if at < 0 {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(body[at+len(field):], ": "), []byte("true"))
}

func (r *request) asks(text []byte) {
	for len(text) > 0 {
		sign := bytes.IndexByte(text, '=')
		if sign < 0 || sign > 16 {
			return
		}
		value, width := number(text[sign+1:])
		switch string(text[:sign]) {
		case "events":
			r.events = value
		case "every_ms":
			r.everyMs = value
		case "delay_ms":
			r.delayMs = value
		}
		text = text[sign+1+width:]
		if len(text) == 0 || text[0] != ' ' {
			return
		}
		text = text[1:]
	}
}

func number(text []byte) (value, width int) {
	for width < len(text) && width < 9 && text[width] >= '0' && text[width] <= '9' {
		value = value*10 + int(text[width]-'0')
		width++
	}
	return value, width
}
