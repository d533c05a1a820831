package main

import (
	"bytes"
	"fmt"
	"strings"

	"troth.invalid/bench/eventloop"
)

// A dialect's answers, made once at start. An event is prefix + send time + suffix, so the text of
// each event carries when it left: `t=<CLOCK_MONOTONIC in ns> `.
type dialect struct {
	buffered []byte // head and body of an answer that is not streamed
	opening  []byte // events before the first timed one
	prefix   []byte
	suffix   []byte
	closing  []byte
	usage    []byte // after closing, where the caller asked for it
	ending   []byte
}

const (
	streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n" +
		"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
	lastChunk = "0\r\n\r\n"
	sentence  = "The bench answers with a text of common length so that copies cost what they cost. "
	answerID  = "chatcmpl-Bench0123456789abcdefghijkl"
	created   = 1790000000
	model     = "bench-model"
	usageJSON = `{"prompt_tokens":212,"completion_tokens":146,"total_tokens":358,` +
		`"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,` +
		`"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
)

func text() string { return strings.Repeat(sentence, 6) + "troth-bench-answer" }

func whole(contentType, body string) []byte {
	return []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s",
		contentType, len(body), body))
}

func plain(status, body string) []byte {
	return []byte(fmt.Sprintf("HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
		status, len(body), body))
}

func chat() dialect {
	body := fmt.Sprintf(`{"id":"%s","object":"chat.completion","created":%d,"model":"%s",`+
		`"choices":[{"index":0,"message":{"role":"assistant","content":"%s","refusal":null,`+
		`"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":%s,`+
		`"service_tier":"default","system_fingerprint":"fp_bench"}`,
		answerID, created, model, text(), usageJSON)
	start := fmt.Sprintf(`data: {"id":"%s","object":"chat.completion.chunk","created":%d,"model":"%s",`+
		`"service_tier":"default","system_fingerprint":"fp_bench",`, answerID, created, model)
	choice := start + `"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}` + "\n\n"
	parts := strings.SplitN(fmt.Sprintf(choice, `{"content":"t=@"}`, "null"), "@", 2)
	return dialect{
		buffered: whole("application/json", body),
		opening:  []byte(fmt.Sprintf(choice, `{"role":"assistant","content":"","refusal":null}`, "null")),
		prefix:   []byte(parts[0]),
		suffix:   []byte(" " + parts[1]),
		closing:  []byte(fmt.Sprintf(choice, "{}", `"stop"`)),
		usage:    []byte(start + `"choices":[],"usage":` + usageJSON + "}\n\n"),
		ending:   []byte("data: [DONE]\n\n"),
	}
}

func messages() dialect {
	const id = "msg_Bench0123456789abcdefghij"
	const usage = `{"input_tokens":212,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,` +
		`"output_tokens":%d,"service_tier":"standard"}`
	message := `{"id":"` + id + `","type":"message","role":"assistant","model":"` + model + `",` +
		`"content":%s,"stop_reason":%s,"stop_sequence":null,"usage":` + usage + `}`
	parts := strings.SplitN(named("content_block_delta",
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"t=@"}}`), "@", 2)
	return dialect{
		buffered: whole("application/json",
			fmt.Sprintf(message, `[{"type":"text","text":"`+text()+`"}]`, `"end_turn"`, 146)),
		opening: []byte(named("message_start",
			`{"type":"message_start","message":`+fmt.Sprintf(message, "[]", "null", 1)+"}") +
			named("content_block_start",
				`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)),
		prefix: []byte(parts[0]),
		suffix: []byte(" " + parts[1]),
		closing: []byte(named("content_block_stop", `{"type":"content_block_stop","index":0}`) +
			named("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn",`+
				`"stop_sequence":null},"usage":{"output_tokens":146}}`)),
		ending: []byte(named("message_stop", `{"type":"message_stop"}`)),
	}
}

func named(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }

func embeddings() []byte {
	vector := strings.TrimSuffix(strings.Repeat("0.0125,-0.0375,", 32), ",")
	return whole("application/json", `{"object":"list","data":[{"object":"embedding","index":0,`+
		`"embedding":[`+vector+`]}],"model":"`+model+`","usage":{"prompt_tokens":212,"total_tokens":212}}`)
}

// library answers by path; the last part decides, so any base path will do.
type library struct {
	chat, messages              dialect
	embeddings, models, unknown []byte
}

func newLibrary() *library {
	return &library{
		chat: chat(), messages: messages(), embeddings: embeddings(),
		models: plain("200 OK", `{"object":"list","data":[{"id":"`+model+
			`","object":"model","created":1790000000,"owned_by":"bench"}]}`),
		unknown: plain("404 Not Found",
			`{"error":{"message":"unknown path","type":"invalid_request_error","param":null,"code":null}}`),
	}
}

func (l *library) answer(asked *request) (speaks *dialect, buffered []byte) {
	switch {
	case bytes.HasSuffix(asked.path, []byte("/chat/completions")):
		return &l.chat, l.chat.buffered
	case bytes.HasSuffix(asked.path, []byte("/messages")):
		return &l.messages, l.messages.buffered
	case bytes.HasSuffix(asked.path, []byte("/embeddings")):
		return nil, l.embeddings
	case bytes.HasSuffix(asked.path, []byte("/models")):
		return nil, l.models
	}
	return nil, l.unknown
}

func appendChunk(to []byte, parts ...[]byte) []byte {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	to = fmt.Appendf(to, "%x\r\n", size)
	for _, part := range parts {
		to = append(to, part...)
	}
	return append(to, '\r', '\n')
}

// A script is the state of one streamed answer.
type script struct {
	speaks *dialect
	asked  request
	sent   int
}

// start is the head and what comes before the first timed event.
func (s *script) start(to []byte) []byte {
	return appendChunk(append(to, streamHead...), s.speaks.opening)
}

// next appends one event, or the end; more is false once the answer is over.
func (s *script) next(to []byte) (out []byte, more bool) {
	if s.sent < s.asked.events {
		s.sent++
		var digits [20]byte
		sentAt := eventloop.AppendInt(digits[:0], eventloop.Now())
		return appendChunk(to, s.speaks.prefix, sentAt, s.speaks.suffix), true
	}
	to = appendChunk(to, s.speaks.closing)
	if s.asked.hasUsage && len(s.speaks.usage) > 0 {
		to = appendChunk(to, s.speaks.usage)
	}
	to = appendChunk(to, s.speaks.ending)
	return append(to, lastChunk...), false
}
