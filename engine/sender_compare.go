package engine

import (
	"bytes"
	"context"
	"errors"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// compareLater has a file's contents compared with those that the receiver has under
// its name, beside everything else.
func (s *sender) compareLater(it *item, sum []byte) error {
	if it.e.Kind != localfs.KindFile {
		return errNotCompared
	}
	s.crew.aside(func(ctx context.Context) error { return s.compareContents(ctx, it, sum) })
	return nil
}

func (s *sender) compareContents(ctx context.Context, it *item, sum []byte) error {
	mine, err := s.sumOf(ctx, it)
	switch {
	case ctx.Err() != nil, errors.Is(err, errEnded):
		return nil //nolint:nilerr // nobody waits for it any more
	case err != nil:
		return s.trouble(it, err)
	case s.cfg.Dry && bytes.Equal(mine, sum):
		s.count.skipped.Add(1)
		s.count.skippedBytes.Add(uint64(it.e.Size))
		s.settle(it)
		return nil
	case s.cfg.Dry:
		s.would(it.e.ID)
		return nil
	case bytes.Equal(mine, sum):
		it.mu.Lock()
		it.same = true
		it.mu.Unlock()
		return s.conn.Send(&wire.Same{IDs: []uint64{it.e.ID}})
	}
	return s.need(it.e.ID, nil)
}

func (s *sender) sumOf(ctx context.Context, it *item) ([]byte, error) {
	file, err := it.hold(s.cfg.Source)
	if err != nil {
		return nil, err
	}
	defer it.drop()
	return digestOf(ctx, file, it.e.Size)
}
