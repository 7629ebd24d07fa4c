package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// with is a kit whose server takes the keys of a list; the client has the first.
func with(t *testing.T, lines string) (func(*kit), keys.Key) {
	t.Helper()
	key := keys.New()
	ring, err := keys.ParseRing(fmt.Sprintf(lines, key.Text()))
	if err != nil {
		t.Fatal(err)
	}
	return func(k *kit) { k.ring, k.key = ring, &key }, key
}

func TestAKeyOpensItsOwnDirectory(t *testing.T) {
	list, _ := with(t, "alice %s dir=people/alice")
	k := start(t, memory, list)
	from := t.TempDir()
	write(t, from, map[string]string{"f": "x"})
	if _, _, err := k.push(contents(t, from)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"f": "x"}, read(t, filepath.Join(k.dst, "people/alice"))); diff != "" {
		t.Error(diff)
	}
	_, _, err := k.push(contents(t, from), func(c *engine.SendConfig) { c.Target.Path = "../bob" })
	if remote := new(engine.RemoteError); !errors.As(err, &remote) || remote.Code != wire.ByeUsage {
		t.Errorf("out of the directory: %v", err)
	}
}

func TestAKeyWithoutTheRightMayNotWrite(t *testing.T) {
	list, _ := with(t, "alice %s rights=read,delete,owner")
	k := start(t, memory, list)
	from := t.TempDir()
	write(t, from, map[string]string{"f": "x"})
	_, _, err := k.push(contents(t, from))
	if remote := new(engine.RemoteError); !errors.As(err, &remote) || remote.Code != wire.ByeAuth {
		t.Errorf("written without the right: %v", err)
	}
	if files := read(t, k.dst); len(files) > 0 {
		t.Errorf("made: %v", files)
	}
}

// What a key's own line says counts alone; without one, what the server gives.
func TestRightsOfAKeyComeBeforeThoseOfAll(t *testing.T) {
	all := localfs.SinkOptions{Owner: true, Special: true, Xattr: true}
	for rights, want := range map[string][]string{
		"":                              {"owner", "special", "xattr"},
		"rights=write":                  nil,
		"rights=write,special":          {"special"},
		"rights=write,owner,xattr,read": {"owner", "xattr"},
	} {
		list, _ := with(t, "alice %s "+rights)
		k := start(t, memory, list, func(k *kit) { k.grant = all })
		conn, err := control.Dial(t.Context(), k.dial())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Abort)
		r := &rogue{t: t, k: k, conn: conn}
		r.say(&wire.Hello{Version: wire.Version, Rails: []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}}})
		r.hear()
		r.say(&wire.Open{Contents: true, Owner: true, Xattr: true})
		opened, ok := r.hear().(*wire.Opened)
		if !ok {
			t.Fatal("not opened")
		}
		if diff := cmp.Diff(want, opened.Grants); diff != "" {
			t.Errorf("%q: grants (-want +got):\n%s", rights, diff)
		}
	}
}

func TestABusyServerIsAskedAgainUntilItHasRoom(t *testing.T) {
	k := start(t, memory, func(k *kit) { k.quota.Sessions = 1 })
	first := newRogue(t, k)
	from := t.TempDir()
	write(t, from, map[string]string{"f": "x"})
	_, w, err := k.push(contents(t, from))
	var busy *control.BusyError
	if !errors.As(err, &busy) || w.busy.Load() != 0 {
		t.Errorf("without time to wait: %v, told %d times", err, w.busy.Load())
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := k.push(contents(t, from), func(c *engine.SendConfig) {
			c.Wait, c.Observer = patience, &freed{first: first}
		})
		done <- err
	}()
	if err := waitOn(t, done); err != nil {
		t.Errorf("with time to wait: %v", err)
	}
}

// freed lets go of a session once a second client has been told to wait.
type freed struct {
	watch
	first *rogue
}

func (f *freed) Busy(error, time.Duration) { f.first.conn.Abort() }
func (f *freed) Chosen(string, []error)    {}

func TestMoreFilesBegunThanAllowedEndTheSession(t *testing.T) {
	r := newRogue(t, start(t, memory, func(k *kit) { k.limits.Files = 3 }))
	r.open()
	for id := uint64(1); id <= 4; id++ {
		r.say(&wire.Entries{List: []wire.Entry{file(id, fmt.Sprint("f", id), 2)}})
		r.hear() // need
	}
	for id := uint64(1); id <= 4; id++ {
		r.frame(wire.FrameHead{Unit: id, DataLen: 1, Chunks: []wire.Chunk{{Entry: id, Length: 1}}})
	}
	r.refused(wire.ByeProtocol)
}

func TestAPathThatIsTooLongFailsAloneAndItsChildrenWithIt(t *testing.T) {
	k := start(t, memory, func(k *kit) { k.limits.Path = 8 })
	from := t.TempDir()
	write(t, from, map[string]string{"a/b/c/dd": "8", "a/b/c/ddd": "9", "abcdefghi/x": "", "abcdefgh": "8"})
	r, w, err := k.push(contents(t, from))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a/b/c/dd": "8", "abcdefgh": "8"}, read(t, k.dst)); diff != "" || r.Failed < 2 {
		t.Errorf("failed %d, problems %v, target (-want +got):\n%s", r.Failed, w.problems, diff)
	}
}

func TestFilesThatEndedAreNotCountedAsBegun(t *testing.T) {
	k := start(t, memory, func(k *kit) { k.limits.Files = 40 })
	from := t.TempDir()
	want := map[string]string{}
	for i := range 200 {
		want[fmt.Sprint("f", i)] = strings.Repeat(fmt.Sprint(i), 20<<10)
	}
	write(t, from, want)
	_, w, err := k.push(contents(t, from), func(c *engine.SendConfig) { c.SlotSize = 8 << 10 })
	if err != nil || len(w.problems) > 0 {
		t.Fatal(err, w.problems)
	}
	if diff := cmp.Diff(want, read(t, k.dst)); diff != "" {
		t.Error("files differ")
	}
}
