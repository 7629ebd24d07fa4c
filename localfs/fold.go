package localfs

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// folding is what is known of how a directory treats case, and where names can
// fall together, what this session made there.
type folding struct {
	state atomic.Uint32 // a foldState; only ever leaves foldUnknown
	mu    sync.Mutex
	made  map[uint64]string // inode -> the name it was made by
}

type foldState = uint32

const (
	foldUnknown foldState = iota
	foldNo
	foldYes
)

// inherit: a new directory treats case as the one it was made in.
func (f *folding) inherit(parent *folding) { f.state.Store(parent.state.Load()) }

// enter runs make, which gives name to something in the open directory dir,
// and keeps a second name of this session from taking the place of a first one
// that differs only in case. Where case matters that costs one look per
// directory at the most.
func (d *Dir) enter(dir int, name string, make func() error) error {
	f := &d.fold
	if f.state.Load() == foldNo {
		return make()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.collides(dir, name); err != nil {
		return err
	}
	if err := make(); err != nil {
		return err
	}
	f.learn(dir, name)
	return nil
}

// collides: the inode that name leads to was made by another name.
func (f *folding) collides(dir int, name string) error {
	if f.state.Load() != foldYes {
		return nil
	}
	var st unix.Stat_t
	if fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil //nolint:nilerr // no such name: nothing to collide with
	}
	if first, ok := f.made[st.Ino]; ok && first != name {
		return fmt.Errorf("%w: %q is there already", ErrCollision, first)
	}
	return nil
}

// learn looks at a name just made: does it answer to the other case as well?
func (f *folding) learn(dir int, name string) {
	if f.state.Load() == foldUnknown {
		f.state.Store(probeFold(dir, name))
	}
	var st unix.Stat_t
	if f.state.Load() != foldYes || fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if f.made == nil {
		f.made = map[uint64]string{}
	}
	f.made[st.Ino] = name
}

// probeFold finds out from one existing name how its directory treats case. A
// name without letters teaches nothing.
func probeFold(dir int, name string) foldState {
	other := swapCase(name)
	if other == name {
		return foldUnknown
	}
	var a, b unix.Stat_t
	switch {
	case fstatat(dir, other, &b, unix.AT_SYMLINK_NOFOLLOW) != nil:
		return foldNo
	case fstatat(dir, name, &a, unix.AT_SYMLINK_NOFOLLOW) != nil:
		return foldUnknown
	case fileID(&a) == fileID(&b):
		return foldYes
	}
	return foldNo
}

// swapCase exchanges the case of ASCII letters.
func swapCase(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}
