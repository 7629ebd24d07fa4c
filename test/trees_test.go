package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"scp_rdma/internal/tree"
)

// copied sends src and fails the test unless the copy is identical.
func copied(t *testing.T, srv *server, w who, src, to string, o tree.Options, args ...string) {
	t.Helper()
	srv.send(t, w, append(args, src, to)...).wants(t, 0)
	same(t, src, filepath.Join(srv.dir, to, filepath.Base(src)), o)
}

func TestAHardTreeArrivesIdenticalWithAnyNumberOfStreams(t *testing.T) {
	src := generate(t, root(), tree.Spec{Seed: 1, Files: 2000, Large: 1, LargeSize: 64 << 20, Unreadable: true})
	srv := serve(t, root(), folder(t, root()))
	for _, streams := range []string{"1", "4", "16"} {
		t.Run("-j "+streams, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, over string) {
				copied(t, srv, root(), src, over+streams+"/", tree.Options{}, "-j", streams, "--transport", over)
			})
		})
	}
	srv.stop(t)
}

func TestAHardTreeArrivesIdenticalForAUserWithoutRights(t *testing.T) {
	src := generate(t, nobody(), tree.Spec{Seed: 2, Files: 300})
	srv := serve(t, nobody(), folder(t, nobody()))
	copied(t, srv, nobody(), src, "", tree.Options{})
	srv.stop(t)
}

func TestAHardTreeReplacesItself(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src := generate(t, w, tree.Spec{Seed: 3, Files: 100})
		srv := serve(t, w, folder(t, w))
		for range 2 {
			copied(t, srv, w, src, "", tree.Options{})
		}
		srv.stop(t)
	})
}

func TestPathsOf4000BytesArriveHoweverDeep(t *testing.T) {
	for _, component := range []int{255, 20, 2} {
		t.Run(fmt.Sprintf("names of %d bytes", component), func(t *testing.T) {
			eachUser(t, func(t *testing.T, w who) {
				src := mkdir(t, filepath.Join(folder(t, w), "deep"))
				must(t, tree.Deep(src, 4000, component))
				chown(t, w, src)
				srv := serve(t, w, folder(t, w))
				copied(t, srv, w, src, "", tree.Options{})
				srv.stop(t)
			})
		})
	}
}

func TestOwnersSpecialBitsAndAttributesArriveWhereTheServerGrantsThem(t *testing.T) {
	src := generate(t, root(), tree.Spec{Seed: 4, Files: 50, Special: true, Xattrs: true})
	chown(t, who{"uid 1234", 1234}, src)
	must(t, os.Chmod(filepath.Join(src, "modes/file-4755"), os.ModeSetuid|0o755)) // chown took it away
	granting := serve(t, root(), folder(t, root()), "--allow", "owner,special,xattr")
	copied(t, granting, root(), src, "", tree.Options{Owners: true, Special: true, Xattrs: true}, "--owner", "--numeric-ids", "--xattr")
	plain := serve(t, root(), folder(t, root()))
	r := plain.send(t, root(), "--owner", "--xattr", src, "")
	r.wants(t, 0)
	same(t, src, filepath.Join(plain.dir, "src"), tree.Options{})
	for _, word := range []string{"special", "owner"} {
		if !contains(r.out+r.err, word) {
			t.Errorf("the summary does not say what became of %q: %s %s", word, r.out, r.err)
		}
	}
	st, err := os.Lstat(filepath.Join(plain.dir, "src/modes/file-4755"))
	if err != nil || st.Mode()&os.ModeSetuid != 0 {
		t.Errorf("a special bit arrived without a grant: %v, %v", st.Mode(), err)
	}
}

func TestDestinationsFollowTheRules(t *testing.T) {
	for _, c := range []struct {
		name, src, to, want string
		args                []string
	}{
		{"a colon alone puts it under its name", "f", "", "f", nil},
		{"a slash makes directories", "f", "a/b/", "a/b/f", nil},
		{"a leading slash means the server's directory", "f", "/test/", "test/f", nil},
		{"a name renames", "f", "other", "other", nil},
		{"a name in a new directory renames there", "f", "new/other", "new/other", nil},
		{"an existing directory takes it in", "f", "there", "there/f", nil},
		{"-T is exactly this name", "f", "exact", "exact", []string{"-T"}},
		{"a directory goes whole", "d", "", "d/inside", nil},
		{"a slash after a directory means nothing", "d/", "", "d/inside", nil},
		{"slash dot means the contents", "d/.", "", "inside", nil},
		{"a directory can be renamed", "d", "e", "e/inside", nil},
		{"-r is accepted", "d", "", "d/inside", []string{"-r"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := folder(t, nobody())
			write(t, filepath.Join(src, "f"), []byte("file"))
			write(t, filepath.Join(mkdir(t, filepath.Join(src, "d")), "inside"), []byte("file"))
			srv := serve(t, nobody(), folder(t, nobody()))
			mkdir(t, filepath.Join(srv.dir, "there"))
			srv.send(t, nobody(), append(c.args, src+"/"+c.src, c.to)...).wants(t, 0)
			arrived(t, filepath.Join(srv.dir, c.want), []byte("file"))
			nothingHidden(t, srv.dir)
		})
	}
}

func TestVeryManySmallEntriesArriveInBoundedMemory(t *testing.T) {
	src := mkdir(t, filepath.Join(folder(t, root()), "many"))
	must(t, tree.ManyFiles(src, tree.Many{Files: 10_000, Links: 3_000, Dirs: 3_000}))
	srv := serve(t, root(), folder(t, root()))
	serverPeak := peakMemory(t, srv.process)
	client := srv.client(t, root(), src, "")
	clientPeak := peakMemory(t, client)
	if code := client.wait(t); code != 0 {
		t.Errorf("exit code %d: %s", code, client.err.String())
	}
	same(t, src, filepath.Join(srv.dir, "many"), tree.Options{})
	bounded(t, serverPeak(), clientPeak())
}

// bounded fails the test if a process has used 200 MiB or more. The race
// detector's own memory is several times the program's: there the numbers are
// only shown.
func bounded(t *testing.T, server, client int64) {
	t.Helper()
	t.Logf("peak memory: server %d MiB, client %d MiB", server>>20, client>>20)
	const limit = 200 << 20
	if !raceEnabled && max(server, client) >= limit {
		t.Errorf("more than %d MiB", limit>>20)
	}
}
