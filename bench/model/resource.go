package model

// resource is something that so many can have at once: the cores of a host, a disk,
// which serves one at a time, a file, which one writes at a time. The others stand in
// line.
type resource struct {
	clock *clock
	size  int // 0: there is enough for everybody
	taken int
	line  []func()
	busy  instant // used, by all together
}

func newResource(c *clock, size int) *resource { return &resource{clock: c, size: size} }

// take has then called once one is free, which is its own until give.
func (r *resource) take(then func()) {
	if r.size > 0 && r.taken == r.size {
		r.line = append(r.line, then)
		return
	}
	r.taken++
	then()
}

// give hands one to the first in line.
func (r *resource) give() {
	if len(r.line) == 0 {
		r.taken--
		return
	}
	next := r.line[0]
	r.line = r.line[1:]
	next()
}

// use has then called once one was used for a span.
func (r *resource) use(span instant, then func()) {
	if span == 0 {
		then()
		return
	}
	r.take(func() {
		r.busy += span
		r.clock.after(span, func() {
			r.give()
			then()
		})
	})
}
