package planner

// queue is a first-in, first-out list that frees what was taken.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

// front is the oldest item; the queue must not be empty.
func (q *queue[T]) front() *T { return &q.items[q.head] }

// pop takes the oldest item; the queue must not be empty.
func (q *queue[T]) pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	// Moving the rest once half is used up keeps both time and memory linear.
	if q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}
