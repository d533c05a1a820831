package main

import (
	"bytes"
	"errors"
	"strconv"
)

// answer decodes one HTTP/1.1 answer as its bytes arrive, split anywhere.
type answer struct {
	status  int
	closes  bool
	state   state
	line    []byte // an unfinished head or chunk-size line
	rest    int    // bytes left of the body or of the chunk
	chunked bool
}

type state int

const (
	inHead state = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
	untilClose
	complete
)

var (
	errMalformed  = errors.New("malformed")
	headEnd       = []byte("\r\n\r\n")
	lengthHeader  = []byte("\r\ncontent-length:")
	chunkedHeader = []byte("\r\ntransfer-encoding: chunked")
	closeHeader   = []byte("\r\nconnection: close")
)

func (a *answer) reset() { *a = answer{line: a.line[:0]} }

// feed hands the body's pieces to take and gives back what lies behind the answer's end.
func (a *answer) feed(data []byte, take func([]byte)) ([]byte, error) {
	for len(data) > 0 && a.state != complete {
		var err error
		switch a.state {
		case inHead:
			data, err = a.head(data)
		case inBody, inChunk:
			data = a.body(data, take)
		case untilClose:
			take(data)
			data = nil
		default:
			data, err = a.between(data)
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (a *answer) body(data []byte, take func([]byte)) []byte {
	size := min(len(data), a.rest)
	take(data[:size])
	a.rest -= size
	if a.rest == 0 {
		if a.state == inBody {
			a.state = complete
		} else {
			a.state = inChunkEnd
		}
	}
	return data[size:]
}

func (a *answer) head(data []byte) ([]byte, error) {
	seen := len(a.line)
	a.line = append(a.line, data...)
	end := bytes.Index(a.line, headEnd)
	if end < 0 {
		if len(a.line) > 64<<10 {
			return nil, errMalformed
		}
		return nil, nil
	}
	data = data[end+len(headEnd)-seen:]
	head := a.line[:end]
	if len(head) < 12 {
		return nil, errMalformed
	}
	var err error
	if a.status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return nil, errMalformed
	}
	a.frame(lower(head))
	a.line = a.line[:0]
	return data, nil
}

// frame decides how the body ends; a 1xx is not the answer yet.
func (a *answer) frame(head []byte) {
	a.closes = bytes.Contains(head, closeHeader)
	a.chunked = bytes.Contains(head, chunkedHeader)
	switch at := bytes.Index(head, lengthHeader); {
	case a.status < 200:
		a.state = inHead
	case a.chunked:
		a.state = inChunkSize
	case at >= 0:
		a.rest = leading(bytes.TrimLeft(head[at+len(lengthHeader):], " "), 10)
		a.state = inBody
		if a.rest == 0 {
			a.state = complete
		}
	default:
		a.closes = true
		a.state = untilClose
	}
}

// between reads a line of the chunked framing: a size, the end of a chunk, or the trailer.
func (a *answer) between(data []byte) ([]byte, error) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		a.line = append(a.line, data...)
		return nil, nil
	}
	line := data[:end]
	if len(a.line) > 0 {
		a.line = append(a.line, line...)
		line = a.line
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	switch a.state {
	case inChunkEnd:
		if len(line) > 0 {
			return nil, errMalformed
		}
		a.state = inChunkSize
	case inTrailer:
		if len(line) == 0 {
			a.state = complete
		}
	default:
		a.rest = leading(line, 16)
		a.state = inChunk
		if a.rest == 0 {
			a.state = inTrailer
		}
	}
	a.line = a.line[:0]
	return data[end+1:], nil
}

func leading(text []byte, base int) int {
	value := 0
	for _, sign := range text {
		digit := 99
		switch {
		case sign >= '0' && sign <= '9':
			digit = int(sign - '0')
		case sign >= 'a' && sign <= 'f':
			digit = int(sign-'a') + 10
		case sign >= 'A' && sign <= 'F':
			digit = int(sign-'A') + 10
		}
		if digit >= base {
			return value
		}
		value = value*base + digit
	}
	return value
}

func lower(text []byte) []byte {
	for at, sign := range text {
		if sign >= 'A' && sign <= 'Z' {
			text[at] = sign + 32
		}
	}
	return text
}
