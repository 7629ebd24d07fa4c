package null

import (
	"io"
	"strconv"
	"sync/atomic"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// Source is files of one size.
type Source struct {
	Files, Size int64
	PerDir      int64 // so many to a directory; 0: all at the top

	files int64  // that were named
	last  uint64 // number of an entry
	dir   uint64 // number of the directory that is open; 0: none
	in    int64  // files in it
}

var _ engine.Source = (*Source)(nil)

// Next implements engine.Source.
func (s *Source) Next() (*localfs.Entry, error) {
	over := s.files == s.Files
	switch {
	case s.dir != 0 && (over || s.in == s.PerDir):
		id := s.dir
		s.dir, s.in = 0, 0
		return &localfs.Entry{ID: id, Kind: localfs.KindDirEnd}, nil
	case over:
		return nil, io.EOF
	case s.PerDir > 0 && s.dir == 0:
		s.last++
		s.dir = s.last
		return &localfs.Entry{ID: s.last, Kind: localfs.KindDir, Name: "d" + strconv.FormatUint(s.last, 10), Meta: localfs.Meta{Mode: 0o755}}, nil
	}
	s.last++
	s.files++
	s.in++
	return &localfs.Entry{
		ID: s.last, Parent: s.dir, Kind: localfs.KindFile, Name: "file" + strconv.FormatUint(s.last, 10), Size: s.Size, Meta: localfs.Meta{Mode: 0o644},
	}, nil
}

// Open implements engine.Source.
func (s *Source) Open(*localfs.Entry) (localfs.SourceFile, error) { return file{s.Size}, nil }

// ReadFile implements engine.Source.
func (s *Source) ReadFile(*localfs.Entry, []byte) error { return nil }

// Restat implements engine.Source.
func (s *Source) Restat(e *localfs.Entry) (*localfs.Entry, error) { return e, nil }

// Path implements engine.Source.
func (s *Source) Path(e *localfs.Entry) string { return e.Name }

// Below implements engine.Source.
func (s *Source) Below(e *localfs.Entry) string { return e.Name }

// Identity implements engine.Source.
func (s *Source) Identity() (bootID []byte, dirs []localfs.FileID) { return nil, nil }

// Name implements engine.Source.
func (s *Source) Name() []byte { return make([]byte, 32) }

// Rewind implements engine.Source.
func (s *Source) Rewind() error {
	*s = Source{Files: s.Files, Size: s.Size, PerDir: s.PerDir}
	return nil
}

type file struct{ size int64 }

// ReadAt implements localfs.SourceFile.
func (file) ReadAt([]byte, int64) error { return nil }

// NextData implements localfs.SourceFile.
func (f file) NextData(off int64) (start, end int64, err error) {
	return off, f.size, nil
}

// Verify implements localfs.SourceFile.
func (file) Verify() error { return nil }

// Close implements localfs.SourceFile.
func (file) Close() error { return nil }

// Sink takes everything and keeps nothing, so that nothing is ever gone on from.
type Sink struct {
	engine.Sink // for what is never called
	Bytes       atomic.Int64
}

var _ engine.Sink = (*Sink)(nil)

// Resolve implements engine.Sink.
func (s *Sink) Resolve(localfs.Target) (localfs.Base, error) {
	return localfs.Base{Dir: &localfs.Dir{}, Path: "."}, nil
}

// Path implements engine.Sink.
func (s *Sink) Path() string { return "" }

// Free implements engine.Sink.
func (s *Sink) Free() (uint64, error) { return 0, nil }

// Look implements engine.Sink.
func (s *Sink) Look(localfs.Put) (localfs.Found, bool, error) { return localfs.Found{}, false, nil }

// Mkdir implements engine.Sink.
func (s *Sink) Mkdir(*localfs.Dir, string) (*localfs.Dir, error) { return &localfs.Dir{}, nil }

// FinishDir implements engine.Sink.
func (s *Sink) FinishDir(*localfs.Dir, localfs.Meta) error { return nil }

// Symlink implements engine.Sink.
func (s *Sink) Symlink(*localfs.Dir, string, string, localfs.Meta) error { return nil }

// Link implements engine.Sink.
func (s *Sink) Link(localfs.Put) (bool, error) { return true, nil }

// Dropped implements engine.Sink.
func (s *Sink) Dropped() localfs.Dropped { return localfs.Dropped{} }

// Sync implements engine.Sink.
func (s *Sink) Sync() error { return nil }

// Close implements engine.Sink.
func (s *Sink) Close() error { return nil }

// CreateFile implements engine.Sink.
func (s *Sink) CreateFile(localfs.Put) (localfs.PendingFile, error) { return pending{s}, nil }

// PutFile implements engine.Sink.
func (s *Sink) PutFile(_ localfs.Put, data []byte) error {
	s.Bytes.Add(int64(len(data)))
	return nil
}

type pending struct{ s *Sink }

// WriteAt implements localfs.PendingFile.
func (p pending) WriteAt(b []byte, _ int64) error { p.s.Bytes.Add(int64(len(b))); return nil }

// Hole implements localfs.PendingFile.
func (pending) Hole(int64, int64) error { return nil }

// ReadAt implements localfs.PendingFile.
func (pending) ReadAt([]byte, int64) error { return nil }

// Reload implements localfs.PendingFile.
func (pending) Reload() error { return nil }

// Commit implements localfs.PendingFile.
func (pending) Commit() error { return nil }

// Discard implements localfs.PendingFile.
func (pending) Discard() {}
