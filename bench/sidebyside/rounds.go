package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// contest is one case with all who take part.
type contest struct {
	w        workload
	o        *options
	source   *maker
	entrants []*entrant
	record   func(result) error // takes each run
}

// runCase measures one case from its source to its removal.
func runCase(ctx context.Context, w workload, o *options, who []rival, record func(result) error) (err error) {
	work := o.work
	if w.disk {
		work = o.disk
		if os.Getuid() != 0 {
			return errors.New("only root can drop the page cache")
		}
	}
	if work, err = filepath.Abs(work); err != nil {
		return fmt.Errorf("case: %w", err)
	}
	if err := room(work, 2*w.estimate(scale(o.scale))); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(work, "sidebyside-*")
	if err != nil {
		return fmt.Errorf("case: %w", err)
	}
	// Keys and configurations lie where a user's home would.
	private, err := os.MkdirTemp("", "sidebyside-*")
	if err != nil {
		return errors.Join(fmt.Errorf("case: %w", err), os.Remove(dir))
	}
	c := &contest{w: w, o: o, record: record}
	err = c.run(ctx, who, dir, private)
	return errors.Join(err, tree.Remove(dir), tree.Remove(private))
}

// room refuses what the file system has no room for.
func room(dir string, bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("room in %s: %w", dir, err)
	}
	const spare = 256 << 20
	if free := int64(st.Bavail) * st.Bsize; free < bytes+spare {
		return fmt.Errorf("%s has %d MiB free, %d are needed: take another or a smaller --scale",
			dir, free>>20, (bytes+spare)>>20)
	}
	return nil
}

// run is runCase in directories that are there.
func (c *contest) run(ctx context.Context, who []rival, dir, private string) (err error) {
	// A server may work as another user, who has to get at source and target.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("case: %w", err)
	}
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o755); err != nil {
		return fmt.Errorf("case: %w", err)
	}
	if c.source, err = makeSource(ctx, c.w, source, scale(c.o.scale)); err != nil {
		return err
	}
	defer func() {
		for _, e := range c.entrants {
			err = errors.Join(err, e.server.stop())
		}
	}()
	for _, r := range who {
		if r.single && !c.w.single {
			continue
		}
		p := place{source: source, target: target, name: c.w.leaf(), single: c.w.single, private: filepath.Join(private, r.name)}
		if err := c.enter(ctx, r, p); err != nil {
			return err
		}
	}
	for round := 0; round <= c.o.rounds; round++ {
		if err := c.round(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

// enter starts a rival's server; one that does not start has failed in round 0.
func (c *contest) enter(ctx context.Context, r rival, p place) error {
	if err := os.Mkdir(p.private, 0o700); err != nil {
		return fmt.Errorf("case: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	p.port = port
	e := &entrant{rival: r, place: p}
	c.entrants = append(c.entrants, e)
	e.server, err = startServer(ctx, r, p)
	if ctx.Err() != nil {
		return fmt.Errorf("case: %w", ctx.Err())
	}
	if err != nil {
		return c.note(e, result{Kind: kindRun, Case: c.w.name, Rival: r.name, Error: err.Error()})
	}
	return nil
}

// note records a run; who has failed is out.
func (c *contest) note(e *entrant, r result) error {
	e.out = e.out || !r.OK
	r.Bytes, r.Files = c.source.bytes, c.source.files
	return c.record(r)
}

// round lets each entrant run once. Who begins changes, and so does who comes before whom:
// what a run leaves behind in caches and memory is the next one's to deal with.
func (c *contest) round(ctx context.Context, round int) error {
	for i := range c.entrants {
		if round%2 == 1 {
			i = len(c.entrants) - 1 - i
		}
		e := c.entrants[(i+round)%len(c.entrants)]
		if e.out {
			continue
		}
		r := e.once(ctx, c.w, c.source.bytes, c.o.timeout)
		if ctx.Err() != nil { // stopped: nobody's fault
			return fmt.Errorf("case: %w", ctx.Err())
		}
		r.Round = round
		if err := c.note(e, r); err != nil {
			return err
		}
	}
	return nil
}
