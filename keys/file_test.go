package keys

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhereTheKeyLies(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HOME": "/h"}, "/h/.config/scp_rdma/key"},
		{map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/scp_rdma/key"},
		{map[string]string{"XDG_CONFIG_HOME": "/x"}, "/x/scp_rdma/key"},
		{map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "x"}, "/h/.config/scp_rdma/key"},
		{map[string]string{"HOME": "/h", EnvFile: "rel/key"}, "rel/key"},
		{map[string]string{}, ""},
		{map[string]string{"HOME": "h", "XDG_CONFIG_HOME": "x"}, ""},
	} {
		got, err := DefaultFile(func(name string) string { return c.env[name] })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v: %q, %v", c.env, got, err)
		}
		if err != nil && (!errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "--key-file")) {
			t.Errorf("%v: %v", c.env, err)
		}
	}
}

func TestAKeyFileIsMadeOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "b", "key")
	if _, err := Load(file); !errors.Is(err, ErrNone) {
		t.Errorf("load of nothing: %v", err)
	}
	k, err := Create(file)
	must(t, err)
	st, err := os.Stat(file)
	must(t, err)
	dir, err := os.Stat(filepath.Dir(file))
	must(t, err)
	if st.Mode() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("modes %v, %v", st.Mode(), dir.Mode())
	}
	if got, err := Load(file); err != nil || got != k {
		t.Errorf("load: %v", err)
	}
	if _, err := Create(file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made a second time: %v", err)
	}
	if got, made, err := LoadOrCreate(file); err != nil || made || got != k {
		t.Errorf("load or create: %v, %v", made, err)
	}
	list, err := os.ReadDir(filepath.Dir(file))
	must(t, err)
	if len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}

func TestManyServersThatStartAtOnceAgreeOnTheKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	got := make([]Key, 16)
	made := make([]bool, len(got))
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], made[i], err = LoadOrCreate(file); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for i := range got {
		if got[i] != got[0] {
			t.Errorf("key %d is another", i)
		}
		if made[i] {
			n++
		}
	}
	if n != 1 {
		t.Errorf("made %d times", n)
	}
}

// TestUnsafeKeyFiles: each is refused, at once and without a look into it.
func TestUnsafeKeyFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	_, err := Create(at("good"))
	must(t, err)
	for name, mode := range map[string]os.FileMode{"group": 0o640, "other": 0o604, "write": 0o620, "exec": 0o601} {
		_, err := Create(at(name))
		must(t, err)
		must(t, os.Chmod(at(name), mode))
	}
	must(t, os.Symlink("good", at("symlink")))
	must(t, os.Mkdir(at("directory"), 0o700))
	must(t, unix.Mkfifo(at("fifo"), 0o600))
	if os.Geteuid() == 0 {
		_, err := Create(at("foreign"))
		must(t, err)
		must(t, os.Chown(at("foreign"), 65534, 65534))
	}
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		_, err := Load(at(e.Name()))
		if e.Name() == "good" {
			must(t, err)
			continue
		}
		if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), at(e.Name())) {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
	must(t, os.WriteFile(at("damaged"), []byte("scp_rdma1:00"), 0o600))
	must(t, os.WriteFile(at("empty"), nil, 0o600))
	must(t, os.WriteFile(at("large"), make([]byte, maxFile+1), 0o600))
	for _, name := range []string{"damaged", "empty", "large"} {
		if _, err := Load(at(name)); !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "more than") != (name == "large") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAsNobody runs the tests again without any rights, and sees there that a
// key of root's can't be had.
func TestAsNobody(t *testing.T) {
	if file := os.Getenv("ROOTS_KEY"); file != "" {
		if _, err := Load(file); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("root's key: %v", err)
		}
	}
	if os.Geteuid() != 0 {
		return // this is that run
	}
	top, err := os.MkdirTemp("", "nobody") //nolint:usetesting // one that nobody may pass
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	must(t, os.Chmod(top, 0o755))
	_, err = Create(filepath.Join(top, "key"))
	must(t, err)
	tmp := filepath.Join(top, "tmp")
	must(t, os.Mkdir(tmp, 0o700))
	must(t, os.Chown(tmp, 65534, 65534))
	cmd := exec.Command("/proc/self/exe", "-test.count=1", "-test.timeout=2m")
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "ROOTS_KEY="+filepath.Join(top, "key"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
