package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"scp_rdma/engine"
	"scp_rdma/wire"
	"testing"
	"time"
)

func TestWhatIsThereIsSkippedOrSent(t *testing.T) {
	tests := map[string]struct {
		change  func(t *testing.T, src, dst string)
		options func(*engine.SendConfig)
		suspect bool
		skipped uint64
	}{
		"as it is":            {skipped: 2},
		"with another time":   {change: touch(time.Hour), skipped: 1},
		"within the window":   {change: touch(time.Second), options: window(time.Second), skipped: 2},
		"beyond the window":   {change: touch(time.Second + 1), options: window(time.Second), skipped: 1},
		"whatever it is":      {options: how(wire.CompareNever)},
		"by its contents":     {change: touch(time.Hour), options: how(wire.CompareContents), skipped: 2},
		"with other contents": {change: spoil, options: how(wire.CompareContents), skipped: 1},
		"longer":              {change: lengthen, skipped: 1},
		"after a power cut":   {change: spoil, suspect: true, skipped: 1},
		"with another mode":   {change: func(t *testing.T, _, dst string) { must(t, os.Chmod(dst, 0o600)) }, skipped: 2},
		"a link":              {change: func(t *testing.T, src, dst string) { must(t, errors.Join(os.Remove(dst), os.Symlink(src, dst))) }, skipped: 1},
		"written just now":    {change: func(t *testing.T, src, dst string) { young(t, src, dst) }, skipped: 1},
		"written in the future": {change: func(t *testing.T, src, dst string) {
			then := time.Now().Add(time.Hour)
			must(t, errors.Join(os.Chtimes(src, then, then), os.Chtimes(dst, then, then)))
		}, skipped: 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newStateful()
			k := start(t, remembering(m))
			dir := t.TempDir()
			write(t, dir, map[string]string{"a": "contents", "b": "others"})
			old(t, dir)
			if _, _, err := k.push(contents(t, dir)); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(t, filepath.Join(dir, "a"), filepath.Join(k.dst, "a"))
			}
			m.suspect = tt.suspect
			r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
				if tt.options != nil {
					tt.options(c)
				}
			})
			if err != nil || r.Failed > 0 || len(w.problems) > 0 || r.Skipped != tt.skipped || r.Files != 2-tt.skipped {
				t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
			}
			same(t, dir, k.dst)
			st, err := os.Lstat(filepath.Join(k.dst, "a"))
			if err != nil || st.Mode() != 0o644 {
				t.Errorf("mode %v: %v", st.Mode(), err)
			}
			if (len(m.settled) == 1) != tt.suspect {
				t.Errorf("settled: %v", m.settled)
			}
		})
	}
}

func touch(d time.Duration) func(t *testing.T, src, dst string) {
	return func(t *testing.T, _, dst string) {
		t.Helper()
		st, err := os.Stat(dst)
		must(t, err)
		must(t, os.Chtimes(dst, st.ModTime().Add(-d), st.ModTime().Add(-d)))
	}
}

// spoil changes a byte without size or time showing it.
func spoil(t *testing.T, _, dst string) {
	t.Helper()
	st, err := os.Stat(dst)
	must(t, err)
	must(t, os.WriteFile(dst, []byte("contentz"), 0o644))
	must(t, os.Chtimes(dst, st.ModTime(), st.ModTime()))
}

func lengthen(t *testing.T, _, dst string) {
	t.Helper()
	st, err := os.Stat(dst)
	must(t, err)
	must(t, os.WriteFile(dst, []byte("contents and more"), 0o644))
	must(t, os.Chtimes(dst, st.ModTime(), st.ModTime()))
}

func young(t *testing.T, src, dst string) {
	t.Helper()
	now := time.Now()
	must(t, errors.Join(os.Chtimes(src, now, now), os.Chtimes(dst, now, now)))
}

func window(d time.Duration) func(*engine.SendConfig) {
	return func(c *engine.SendConfig) { c.ModifyWindow = d }
}

func how(h wire.Compare) func(*engine.SendConfig) {
	return func(c *engine.SendConfig) { c.Compare = h }
}
