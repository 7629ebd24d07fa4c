package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// planted is the hidden name that half of a file has.
func planted(name, suffix string) string {
	sum := sha256.Sum256([]byte(name))
	return ".scp_rdma." + hex.EncodeToString(sum[:16]) + suffix
}

// In a directory like /tmp another user may put what looks like half a file, with a
// journal, in the place where the server will look for its own. It is not believed, not
// written to, and does not keep the file from arriving.
func TestWhatAnotherUserPlantedIsNeitherBelievedNorWrittenTo(t *testing.T) {
	dir := folder(t, root())
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	srv := serve(t, nobody(), dir)
	src := filepath.Join(folder(t, nobody()), "large")
	data := bytesOf(1, 16<<20)
	write(t, src, data)
	forged := []byte("SRJ2 and what a forger would like to be believed")
	part, journal := filepath.Join(dir, planted("large", ".part")), filepath.Join(dir, planted("large", ".journal"))
	write(t, part, make([]byte, len(data)))
	write(t, journal, forged)
	for _, path := range []string{part, journal} {
		must(t, os.Chmod(path, 0o666)) // the server could write to them
	}
	srv.send(t, nobody(), src, "").wants(t, 0)
	arrived(t, filepath.Join(dir, "large"), data)
	arrived(t, part, make([]byte, len(data)))
	arrived(t, journal, forged)
	eventually(t, "the server says so", func() bool {
		return contains(srv.err.String(), "belongs to user 0") && contains(srv.err.String(), "without a journal")
	})
	srv.stop(t)
}

// The same where the server may remove it: it is discarded, with a line.
func TestAForgedHalfFileIsDiscarded(t *testing.T) {
	dir := folder(t, nobody())
	srv := serve(t, nobody(), dir)
	src := filepath.Join(folder(t, nobody()), "large")
	data := bytesOf(1, 16<<20)
	write(t, src, data)
	part, journal := filepath.Join(dir, planted("large", ".part")), filepath.Join(dir, planted("large", ".journal"))
	write(t, part, make([]byte, len(data)))
	write(t, journal, make([]byte, 4096))
	for _, path := range []string{part, journal} {
		must(t, os.Chmod(path, 0o600))
		must(t, os.Chown(path, int(nobody().uid), int(nobody().uid)))
	}
	srv.send(t, nobody(), src, "").wants(t, 0)
	arrived(t, filepath.Join(dir, "large"), data)
	eventually(t, "the server says so", func() bool { return contains(srv.err.String(), "discarded") })
	nothingHidden(t, dir)
	srv.stop(t)
}

// A server that is killed and started again on the same port is found, and the client
// goes on by itself.
func TestAServerThatIsStartedAgainIsFoundByItsClient(t *testing.T) {
	srv, c, g := midway(t, nobody())
	eventually(t, "half of it has arrived", func() bool { return len(hidden(t, srv.dir)) == 2 })
	srv.signal(t, 9)
	srv.wait(t)
	again := listening(t, start(t, nobody(), setting.bin, "-s", "-o", srv.dir, "-p", srv.port, "--bind", "127.0.0.1"), nobody(), srv.dir)
	g.pass()
	if code := c.wait(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	if text := c.out.String() + c.err.String(); !contains(text, "looking for the server again") || !contains(text, "lost and found again: 1 time") {
		t.Errorf("it does not say what happened: %s", text)
	}
	arrived(t, filepath.Join(srv.dir, "in/large"), bytesOf(1, 2*halfway))
	nothingHidden(t, srv.dir)
	again.stop(t)
}

// What an interrupted transfer left is removed after a week, not before.
func TestCleanRemovesWhatIsOld(t *testing.T) {
	dir := folder(t, root())
	mkdir(t, filepath.Join(dir, "sub"))
	week := time.Now().Add(-8 * 24 * time.Hour)
	for name, age := range map[string]time.Time{"old": week, "new": time.Now()} {
		for _, suffix := range []string{".part", ".journal"} {
			path := filepath.Join(dir, "sub", planted(name, suffix))
			write(t, path, []byte("x"))
			must(t, os.Chtimes(path, age, age))
		}
	}
	write(t, filepath.Join(dir, "sub", "file"), []byte("x"))
	r := run(t, root(), setting.bin, "clean", "-o", dir)
	r.wants(t, 0)
	if !contains(r.out, planted("old", ".part")) || !contains(r.out, "2 leftovers removed below") {
		t.Errorf("it says: %s", r.out)
	}
	if left := hidden(t, dir); len(left) != 2 || contains(r.out, planted("new", ".part")) {
		t.Errorf("left: %v\n%s", left, r.out)
	}
	arrived(t, filepath.Join(dir, "sub", "file"), []byte("x"))
}
