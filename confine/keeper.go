package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// envKeeper tells a process that it is a keeper.
const envKeeper = "SCP_RDMA_KEEPER"

// keeperFD is what a keeper is asked through.
const keeperFD = 3

// keeperWait is how long a keeper may take: what it reads is small, and may lie on a slow network.
const keeperWait = 30 * time.Second

// Keeper is a process of this program that keeps the rights which this one gives up, to read a
// few files with them: those it was started with and no others, anew each time it is asked.
// It ends when this process does. Linux would let no confined process open a file that an
// editor has put in the place of another (landlock(7)), nor another user root's.
type Keeper struct {
	mu   sync.Mutex
	conn net.Conn
	file *os.File
}

type (
	question struct {
		File int `json:"file"`
	}
	answer struct {
		Text    []byte `json:"text"`
		Error   string `json:"error"`
		Missing bool   `json:"missing"`
	}
)

// Keep starts a keeper of what each of names means to the read of Keeping.
func Keep(names ...string) (*Keeper, error) {
	pair, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("keeper: socketpair: %w", err)
	}
	own, its := os.NewFile(uintptr(pair[0]), "keeper"), os.NewFile(uintptr(pair[1]), "kept for")
	defer func() { _ = its.Close() }()
	cmd := exec.Command(ourselves(), names...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), envKeeper+"=1")
	cmd.ExtraFiles = []*os.File{its}
	// Not of the terminal's group: what is typed there is for the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("keeper: %w", err), own.Close())
	}
	return Kept(own)
}

// Kept is the keeper that a file leads to, which Anew may have left.
func Kept(f *os.File) (*Keeper, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keeper: %w", err), f.Close())
	}
	return &Keeper{conn: conn, file: f}, nil
}

// File is what leads to the keeper, for Anew.
func (k *Keeper) File() *os.File { return k.file }

// Read has the keeper read the file of that number, from 0. A file that is not there Is
// fs.ErrNotExist.
func (k *Keeper) Read(number int) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.conn.SetDeadline(time.Now().Add(keeperWait)); err != nil {
		return nil, fmt.Errorf("keeper: %w", err)
	}
	if err := json.NewEncoder(k.conn).Encode(question{number}); err != nil {
		return nil, fmt.Errorf("keeper: %w (start the server again)", err)
	}
	var a answer
	if err := json.NewDecoder(k.conn).Decode(&a); err != nil {
		_ = k.conn.Close() // an answer that comes late is that of no later question
		return nil, fmt.Errorf("keeper: %w (start the server again)", err)
	}
	switch {
	case a.Missing:
		return nil, fmt.Errorf("%s: %w", a.Error, fs.ErrNotExist)
	case a.Error != "":
		return nil, errors.New(a.Error)
	}
	return a.Text, nil
}

// Close lets the keeper end.
func (k *Keeper) Close() error { return errors.Join(k.conn.Close(), k.file.Close()) }

// Keeping does a keeper's work, if that is what this process was started for, until the process
// that started it has ended; false: it was not. It first gives up all of the host but the
// directories that dirs says.
func Keeping(names []string, dirs func(name string) []string, read func(name string) ([]byte, error)) bool {
	if os.Getenv(envKeeper) == "" {
		return false
	}
	// A service's end is told to all of its processes: this one ends with the one it serves.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)
	conn, err := net.FileConn(os.NewFile(keeperFD, "asked"))
	if err != nil {
		return true
	}
	var all []string
	for _, name := range names {
		all = append(all, dirs(name)...)
	}
	slices.Sort(all)
	_ = To(Paths{Read: slices.Compact(all)}) // a kernel without Landlock takes nothing away
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for {
		var q question
		if in.Decode(&q) != nil || q.File < 0 || q.File >= len(names) {
			return true
		}
		var a answer
		if a.Text, err = read(names[q.File]); err != nil {
			a = answer{Error: err.Error(), Missing: errors.Is(err, fs.ErrNotExist)}
		}
		if out.Encode(a) != nil {
			return true
		}
	}
}

// DirsOf are the directories that must be open to read a file, also where it is a link.
func DirsOf(file string) []string {
	dirs := []string{filepath.Dir(file)}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	return dirs
}
