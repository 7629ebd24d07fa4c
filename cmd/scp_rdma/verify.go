package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/sums"
	"scp_rdma/wire"
)

// verifyPiece is what is read of a file at once, bytes.
const verifyPiece = 1 << 20

// verifyWorkers: files that are read at once. Disks want several requests at a time, and
// digests as many cores as there are.
func verifyWorkers() int { return max(8, runtime.GOMAXPROCS(0)) }

// verifier compares files with a list of checksums.
type verifier struct {
	con  *console
	root *os.Root // nothing outside is read, whatever the list says

	good, bytes    atomic.Uint64
	differ, failed tally // the console's lock is theirs
}

// verify compares the files that a list names, below a directory.
func verify(ctx context.Context, e env, con *console, o *options, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return usagef("verify needs a list, and at most a directory, as in: scp_rdma verify LIST DIR")
	}
	in, err := openList(e, args[0])
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	dir := "."
	if len(args) == 2 {
		dir = args[1]
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read from
	v := &verifier{con: con, root: root, differ: tally{}, failed: tally{}}
	begun := time.Now()
	if err := v.all(ctx, sums.NewReader(in)); err != nil {
		return err
	}
	return v.result(o, time.Since(begun))
}

func openList(e env, name string) (io.ReadCloser, error) {
	switch {
	case name != stdoutName:
		return os.Open(name)
	case e.stdin == nil:
		return nil, errors.New("there is no stdin")
	}
	return e.stdin, nil
}

// all compares what a list names.
func (v *verifier) all(ctx context.Context, list *sums.Reader) error {
	lines := make(chan sums.Line)
	var workers sync.WaitGroup
	for range verifyWorkers() {
		workers.Go(func() {
			buf := make([]byte, verifyPiece)
			for l := range lines {
				v.one(ctx, l, buf)
			}
		})
	}
	err := v.read(ctx, list, lines)
	close(lines)
	workers.Wait()
	if sig, ok := interrupted(ctx); ok {
		return sig
	}
	return err
}

func (v *verifier) read(ctx context.Context, list *sums.Reader, lines chan<- sums.Line) error {
	for {
		l, err := list.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, sums.ErrLine):
			v.tell(v.failed, fmt.Sprintf("line %d", list.Number()), err)
			continue
		case err != nil:
			return fmt.Errorf("the list, line %d: %w", list.Number(), err)
		}
		select {
		case lines <- l:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// one compares a file.
func (v *verifier) one(ctx context.Context, l sums.Line, buf []byte) {
	same, err := v.compare(ctx, l, buf)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		v.tell(v.failed, l.Name, err)
	case same:
		v.good.Add(1)
	default:
		v.tell(v.differ, l.Name, errDiffers)
	}
}

// errDiffers: a file is not what a list says.
var errDiffers = errors.New("its checksum is not that of the list")

func (v *verifier) compare(ctx context.Context, l sums.Line, buf []byte) (bool, error) {
	// Without waiting: it may be a fifo.
	f, err := v.root.OpenFile(l.Name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, cause(err)
	}
	defer func() { _ = f.Close() }() // only read from
	st, err := f.Stat()
	switch {
	case err != nil:
		return false, cause(err)
	case !st.Mode().IsRegular():
		return false, errors.New("not a file")
	}
	kind := wire.SumXXH128
	if len(l.Digest) == sums.SizeSHA256 {
		kind = wire.SumSHA256
	}
	h := kind.New()
	for ctx.Err() == nil {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		v.bytes.Add(uint64(n))
		if errors.Is(err, io.EOF) {
			return bytes.Equal(h.Sum(nil), l.Digest), nil
		}
		if err != nil {
			return false, cause(err)
		}
	}
	return false, context.Cause(ctx)
}

// cause is an error without the path that it names too.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// tell tells of what is wrong with a line.
func (v *verifier) tell(t tally, path string, err error) {
	v.con.report(t, engine.Problem{Path: path, Err: err})
}

// result says what came of it.
func (v *verifier) result(o *options, took time.Duration) error {
	r := eventVerified{Good: v.good.Load(), Differ: v.differ.total(), Failed: v.failed.total(), Bytes: v.bytes.Load(), Seconds: took.Seconds()}
	if o.json {
		v.con.emit("verified", event{Verified: &r})
	}
	line := fmt.Sprintf("verified: %s good, %s in %s, %s", plural(r.Good, "file", "files"), size(r.Bytes), seconds(took), rate(r.Bytes, took))
	if r.Differ > 0 {
		line += "; " + plural(r.Differ, "differs", "differ")
	}
	if r.Failed > 0 {
		line += "; not compared: " + fmt.Sprint(r.Failed) + ": " + v.failed.String()
	}
	v.con.say(line)
	var errs []error
	if r.Differ > 0 {
		errs = append(errs, fmt.Errorf("%s not as the list says: %w", plural(r.Differ, "file is", "files are"), engine.ErrVerify))
	}
	if r.Failed > 0 {
		errs = append(errs, errPartial)
	}
	if r.Good+r.Differ+r.Failed == 0 {
		errs = append(errs, errors.New("the list names no file"))
	}
	return errors.Join(errs...)
}
