package localfs

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
)

// A spill is a hash table in an unlinked temporary file: open addressing over
// pages of fixed records. A record is dev, ino, number, left, each 8 bytes.
// number 0: the place was never used, a search may end here; left 0: the
// record is gone, a search goes on.
const (
	recordSize  = 32
	pageRecords = 128
	pageSize    = recordSize * pageRecords

	// firstSpillPages: the first file holds 2^17 records, 4 MiB; it doubles.
	firstSpillPages = 1 << 10
)

type spill struct {
	file  *os.File
	seed  maphash.Seed
	pages uint64 // a power of two
	used  uint64 // places ever used
	live  uint64 // records with names left
	page  [pageSize]byte
}

func newSpill(pages uint64) (*spill, error) {
	f, err := os.CreateTemp("", ".scp_rdma.*.groups")
	if err != nil {
		return nil, err
	}
	// The name goes at once; the space goes with the descriptor.
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Truncate(int64(pages * pageSize)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &spill{file: f, seed: maphash.MakeSeed(), pages: pages}, nil
}

func (s *spill) close() error { return s.file.Close() }

// take finds the record of id and counts one name off it.
func (s *spill) take(id FileID) (linkRecord, bool, error) {
	at, r, found, err := s.find(id)
	if err != nil || !found {
		return r, false, err
	}
	if r.left--; r.left == 0 {
		s.live--
	}
	return r, true, s.write(at, id, r)
}

// put enters a record for an id that is not in the table.
func (s *spill) put(id FileID, r linkRecord) error {
	// Beyond half full, searches become long.
	if s.used >= s.pages*pageRecords/2 {
		if err := s.grow(); err != nil {
			return err
		}
	}
	at, _, found, err := s.find(id)
	if err != nil {
		return err
	}
	if found {
		return fmt.Errorf("inode %d entered twice", id.Ino)
	}
	s.used++
	s.live++
	return s.write(at, id, r)
}

// find gives the place of id's record, or the free place where it would go.
func (s *spill) find(id FileID) (at uint64, r linkRecord, found bool, err error) {
	places := s.pages * pageRecords
	at = maphash.Comparable(s.seed, id) % places
	for loaded := places; ; at = (at + 1) % places {
		if p := at / pageRecords; p != loaded {
			if err := s.load(p); err != nil {
				return 0, r, false, err
			}
			loaded = p
		}
		var here FileID
		here, r = s.record(at % pageRecords)
		if r.number == 0 {
			return at, linkRecord{}, false, nil
		}
		if r.left > 0 && here == id {
			return at, r, true, nil
		}
	}
}

func (s *spill) load(page uint64) error {
	if _, err := s.file.ReadAt(s.page[:], int64(page*pageSize)); err != nil && err != io.EOF {
		return err
	}
	return nil
}

func (s *spill) record(i uint64) (FileID, linkRecord) {
	b := s.page[i*recordSize:]
	return FileID{Dev: getU64(b), Ino: getU64(b[8:])}, linkRecord{number: getU64(b[16:]), left: getU64(b[24:])}
}

func (s *spill) write(at uint64, id FileID, r linkRecord) error {
	var b [recordSize]byte
	for i, v := range []uint64{id.Dev, id.Ino, r.number, r.left} {
		putU64(b[8*i:], v)
	}
	_, err := s.file.WriteAt(b[:], int64(at*recordSize))
	return err
}

// grow moves what is left into a table that it fills to a quarter at most.
func (s *spill) grow() error {
	pages := s.pages
	if s.live*4 > pages*pageRecords {
		pages *= 2
	}
	bigger, err := newSpill(pages)
	if err != nil {
		return err
	}
	for p := range s.pages {
		if err := s.move(p, bigger); err != nil {
			return errors.Join(err, bigger.close())
		}
	}
	err = s.close()
	*s = *bigger
	return err
}

func (s *spill) move(page uint64, to *spill) error {
	if err := s.load(page); err != nil {
		return err
	}
	for i := range uint64(pageRecords) {
		if id, r := s.record(i); r.left > 0 {
			if err := to.put(id, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// The file is read only by the process that wrote it: any byte order will do.

func getU64(b []byte) (v uint64) {
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func putU64(b []byte, v uint64) {
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}
