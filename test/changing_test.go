package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// sizes of a file that is sent in one piece, in a bundle with others, and of
// one that is sent in many.
func changingSizes() []int { return []int{10_000, 5 << 20} }

// changed is one way in which a file changes while it is read.
type changed struct {
	name string
	to   func(old []byte, n int) []byte
}

// waysToChange lists them. n counts the changes, for each to differ.
func waysToChange() []changed {
	return []changed{
		{"shrinks", func(old []byte, _ int) []byte { return old[:len(old)*9/10] }},
		{"grows", func(old []byte, n int) []byte { return append(old[:len(old):len(old)], bytesOf(uint64(n), 1000)...) }},
		{"is rewritten at the same size", func(old []byte, n int) []byte { return bytesOf(uint64(100+n), len(old)) }},
	}
}

// onStage makes a tree of one changing file and two others, and sends it.
func onStage(t *testing.T, w who, size int, act func(s *stage) func(context.Context, *actor, int64, int)) (*actor, *server, result) {
	t.Helper()
	s := newStage(t)
	s.add("before", []byte("first"), nil)
	a := s.add("changing", bytesOf(1, size), act(s))
	s.add("later", []byte("last"), nil)
	srv := serve(t, w, folder(t, w))
	r := srv.send(t, w, s.dir+"/.", "in/")
	arrived(t, filepath.Join(srv.dir, "in/before"), []byte("first"))
	arrived(t, filepath.Join(srv.dir, "in/later"), []byte("last"))
	nothingHidden(t, srv.dir)
	return a, srv, r
}

func TestAFileThatChangesOnceWhileItIsSentArrivesAsItIsAfterwards(t *testing.T) {
	for _, c := range waysToChange() {
		for _, size := range changingSizes() {
			t.Run(fmt.Sprintf("it %s, %d bytes", c.name, size), func(t *testing.T) {
				eachUser(t, func(t *testing.T, w who) {
					a, srv, r := onStage(t, w, size, func(*stage) func(context.Context, *actor, int64, int) {
						return func(_ context.Context, a *actor, _ int64, reads int) {
							if reads == 0 {
								a.set(c.to(a.bytes(), 0))
							}
						}
					})
					r.wants(t, 0)
					arrived(t, filepath.Join(srv.dir, "in/changing"), a.bytes())
				})
			})
		}
	}
}

func TestAFileThatChangesAgainAndAgainIsReportedAndGetsNoName(t *testing.T) {
	for _, c := range waysToChange() {
		for _, size := range changingSizes() {
			t.Run(fmt.Sprintf("it %s, %d bytes", c.name, size), func(t *testing.T) {
				eachUser(t, func(t *testing.T, w who) {
					_, srv, r := onStage(t, w, size, func(*stage) func(context.Context, *actor, int64, int) {
						return func(_ context.Context, a *actor, _ int64, reads int) { a.set(c.to(a.bytes(), reads)) }
					})
					r.wants(t, 3)
					r.says(t, "changing", "changed")
					absent(t, filepath.Join(srv.dir, "in/changing"))
					srv.stillServes(t)
				})
			})
		}
	}
}

func TestAFileThatVanishesWhileItIsSentIsReportedAndGetsNoName(t *testing.T) {
	for _, size := range changingSizes() {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			eachUser(t, func(t *testing.T, w who) {
				_, srv, r := onStage(t, w, size, func(s *stage) func(context.Context, *actor, int64, int) {
					return func(_ context.Context, a *actor, _ int64, reads int) {
						if reads == 0 {
							s.remove("changing", a)
						}
					}
				})
				r.wants(t, 3)
				r.says(t, "changing")
				absent(t, filepath.Join(srv.dir, "in/changing"))
				srv.stillServes(t)
			})
		})
	}
}

func TestAFileThatReplacesAnotherKeepsTheOldOneUntilItIsWhole(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		s := newStage(t)
		s.add("f", bytesOf(1, 1<<20), func(_ context.Context, a *actor, _ int64, reads int) {
			a.set(bytesOf(uint64(reads), 1<<20))
		})
		srv := serve(t, w, folder(t, w))
		old := filepath.Join(srv.dir, "f")
		write(t, old, []byte("the old one"))
		r := srv.send(t, w, filepath.Join(s.dir, "f"), "")
		r.wants(t, 3)
		arrived(t, old, []byte("the old one"))
		nothingHidden(t, srv.dir)
		if strings.Contains(r.out, "1 file,") {
			t.Errorf("the summary counts the file: %s", r.out)
		}
	})
}
