package engine

import (
	"context"
	"sync"
)

// streamKey names one opening of one stream.
type streamKey struct{ stream, epoch uint32 }

// waiting hands answers that come on control to those who asked.
type waiting[T any] struct {
	mu sync.Mutex
	m  map[streamKey]chan T
}

// expect must be called before the question is sent.
func (w *waiting[T]) expect(k streamKey) <-chan T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = map[streamKey]chan T{}
	}
	ch := make(chan T, 1)
	w.m[k] = ch
	return ch
}

// put hands over an answer; one that nobody expects is dropped.
func (w *waiting[T]) put(k streamKey, v T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch, ok := w.m[k]; ok {
		ch <- v // room for one, and each is used once
		delete(w.m, k)
	}
}

// wait returns the answer or what ended ctx.
func wait[T any](ctx context.Context, ch <-chan T) (T, error) {
	select {
	case v := <-ch:
		return v, nil
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}
