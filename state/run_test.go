package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOnceFilesAreWrittenASessionIsForgotten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	end := begin(t, s, dir, "s")
	stop := running(t, s)
	rounds(t, s)
	if len(noted(t, s)) != 1 {
		t.Fatal("a session that goes on was forgotten")
	}
	end()
	eventually(t, s, 0)
	stop()
	if len(s.ended) != 0 {
		t.Errorf("names stay in memory: %v", s.ended)
	}
}

func TestAnEndNeedNotWaitForTheNextRound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	s.every = time.Hour
	running(t, s)
	begin(t, s, dir, "s")()
	eventually(t, s, 0)
}

func TestSessionsOnOneFileSystemAreWrittenAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	calls := 0
	s.syncFS = func(path string) error { calls++; return syncFS(path) }
	for _, name := range []string{"a", "b", "c"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		begin(t, s, filepath.Join(dir, name), "s")()
	}
	s.round(t.Context())
	if n := len(noted(t, s)); n != 0 || calls != 1 {
		t.Errorf("%d notes stay, %d writes", n, calls)
	}
}

func TestADirectoryThatIsGoneNeedsNoNote(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	begin(t, s, dir+"/gone", "s")()
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	begin(t, s, dir+"/file/below", "s")()
	s.round(t.Context())
	if n := noted(t, s); len(n) != 0 {
		t.Errorf("left: %v", n)
	}
}

// TestNotesOfAServerThatIsGoneAreSeenTo: killed ones, but none that lives, be it one
// that has got the number of another, or that can't be seen from here.
func TestNotesOfAServerThatIsGoneAreSeenTo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	p, end := child(t)
	reused, far := p, p
	reused.Started--
	far.Space, far.PID = "pid:[1]", 1<<22+1 // more than there are
	name := map[string]string{}
	for who, q := range map[string]process{"child": p, "reused": reused, "far": far} {
		var err error
		name[who], err = writeNote(s.notes, note{Version: noteVersion, Boot: s.boot, Process: q, Path: pathDir(dir), Source: who})
		must(t, err)
	}
	there := func(who string) bool { _, err := os.Stat(filepath.Join(s.notes, name[who])); return err == nil }
	running(t, s)
	eventually(t, s, 2)
	rounds(t, s)
	if !there("child") || there("reused") || !there("far") {
		t.Errorf("child %v, reused %v, far %v", there("child"), there("reused"), there("far"))
	}
	end()
	eventually(t, s, 1)
	if !there("far") {
		t.Error("one that can't be seen from here is taken to have ended")
	}
}

// TestWhatAnotherBootHasNotedStays: what this host's disks write now says nothing of
// what they had written before it went down.
func TestWhatAnotherBootHasNotedStays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	p, end := child(t)
	end()
	for _, q := range []process{p, s.self} {
		_, err := writeNote(s.notes, note{Version: noteVersion, Boot: "before", Process: q, Path: pathDir(dir)})
		must(t, err)
	}
	begin(t, s, dir, "")() // so that its file system writes
	s.round(t.Context())
	if n := len(noted(t, s)); n != 2 || !s.Suspect(dir) {
		t.Errorf("%d notes stay", n)
	}
}

// TestAProcessThatNobodyWaitedForHasEnded: a zombie writes nothing any more.
func TestAProcessThatNobodyWaitedForHasEnded(t *testing.T) {
	p, _ := child(t)
	here, err := self()
	must(t, err)
	if p.gone(here) || here.gone(here) {
		t.Fatal("one that lives is gone")
	}
	must(t, unix.Kill(p.PID, unix.SIGKILL))
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); !p.gone(here); <-look.C {
		if time.Now().After(limit) {
			t.Fatal("a killed one is never gone")
		}
	}
}

func TestStoresShareADirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir+"/state"), open(t, dir+"/state")
	running(t, a)
	running(t, b)
	endA, endB := begin(t, a, dir, "a"), begin(t, b, dir, "b")
	rounds(t, a)
	if n := len(noted(t, a)); n != 2 {
		t.Fatalf("%d notes while both sessions go on", n)
	}
	endA()
	eventually(t, a, 1)
	rounds(t, a)
	if next := reboot(t, dir+"/state"); !next.Suspect(dir) {
		t.Error("the end of one's session has made the other forget its own")
	}
	endB()
	eventually(t, a, 0)
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir+"/state"), open(t, dir+"/state")
	running(t, a)
	running(t, b)
	var wg sync.WaitGroup
	for i := range 8 {
		s := []*Store{a, b}[i%2]
		wg.Go(func() {
			for range 10 {
				end, err := s.Begin(dir, "s")
				if err != nil {
					t.Error(err)
					return
				}
				if s.Suspect(dir) {
					t.Error("suspect without another boot")
				}
				s.Settled(dir, "s")
				end()
			}
		})
	}
	wg.Wait()
	eventually(t, a, 0)
}

// TestWhileADiskWritesTheServerGoesOn: sessions begin and end meanwhile, and Run ends
// only when the write has.
func TestWhileADiskWritesTheServerGoesOn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	entered, leave := make(chan struct{}), make(chan struct{})
	s.syncFS = func(string) error { entered <- struct{}{}; <-leave; return nil }
	stop := running(t, s)
	begin(t, s, dir, "s")()
	<-entered
	end := begin(t, s, dir, "s")
	if s.Suspect(dir) {
		t.Error("suspect")
	}
	s.Settled(dir, "s")
	end()
	close(leave)
	<-entered // for the one that ended meanwhile: the first write may have missed its files
	stop()
	if n := noted(t, s); len(n) != 0 {
		t.Errorf("left: %v", n)
	}
}

func TestWhatCouldNotBeWrittenStaysSuspectForTheNextBoot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir+"/state")
	calls := 0
	s.syncFS = func(string) error { calls++; return unix.EIO }
	begin(t, s, dir, "s")()
	for range 3 {
		s.round(t.Context())
	}
	if calls != 1 || !reboot(t, dir+"/state").Suspect(dir) {
		t.Errorf("%d tries; suspect %v", calls, reboot(t, dir+"/state").Suspect(dir))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := open(t, t.TempDir()+"/state")
	s.every, s.rest = time.Hour, time.Hour
	why := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := s.Run(ctx); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}
