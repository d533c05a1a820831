package eventloop

// A binary heap of timers, soonest first. container/heap would box every element.

type timer struct {
	due     int64
	handler Handler
}

type heap []timer

func (h *heap) push(item timer) {
	*h = append(*h, item)
	items := *h
	at := len(items) - 1
	for at > 0 {
		parent := (at - 1) / 2
		if items[parent].due <= items[at].due {
			return
		}
		items[parent], items[at] = items[at], items[parent]
		at = parent
	}
}

func (h *heap) pop() timer {
	items := *h
	first := items[0]
	last := len(items) - 1
	items[0] = items[last]
	items[last] = timer{}
	*h = items[:last]
	(*h).sink()
	return first
}

func (h heap) sink() {
	at := 0
	for {
		child := 2*at + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right].due < h[child].due {
			child = right
		}
		if h[at].due <= h[child].due {
			return
		}
		h[at], h[child] = h[child], h[at]
		at = child
	}
}
