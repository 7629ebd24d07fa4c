package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"scp_rdma/internal/testkit"
)

// work is what one transfer has to do.
type work struct {
	Files int64 `json:"files"`
	Size  int64 `json:"size"` // bytes of each
}

// String is for people.
func (w work) String() string { return fmt.Sprintf("%d files of %d bytes", w.Files, w.Size) }

// smallFile is the size of the files of the first series, bytes.
const smallFile = 1024

// works are the points of both series: files by ten, bytes by four.
func works(files, bytes int64) []work {
	var all []work
	for n := int64(1000); n <= files; n *= 10 {
		all = append(all, work{n, smallFile})
	}
	for n := int64(1 << 20); n <= bytes; n *= 4 {
		all = append(all, work{1, n})
	}
	return all
}

// point is one work, measured: medians.
type point struct {
	work
	Took   float64 `json:"took_s"`
	Client int64   `json:"client_bytes"` // peaks of memory (VmHWM, proc_pid_status(5))
	Server int64   `json:"server_bytes"`
}

// each is what one unit of the work took: a file, or a MiB; microseconds.
func (p point) each() float64 {
	n := float64(p.Files)
	if p.Files == 1 {
		n = float64(p.Size) / (1 << 20)
	}
	return p.Took * 1e6 / n
}

// String is for people.
func (p point) String() string {
	return fmt.Sprintf("%-34v %10.4f s %10.2f µs each, client %d MiB, server %d MiB", p.work, p.Took, p.each(), p.Client>>20, p.Server>>20)
}

// asProgram: the program sets this by itself (cmd/scp_rdma/collect.go).
const asProgram = "GOGC=400"

// measure runs one work in processes of its own, some times.
func measure(ctx context.Context, w work, rounds int) (point, error) {
	var took []float64
	p := point{work: w}
	for range rounds {
		one, err := once(ctx, w)
		if err != nil {
			return p, err
		}
		took = append(took, one.Took)
		p.Client, p.Server = max(p.Client, one.Client), max(p.Server, one.Server)
	}
	slices.Sort(took)
	p.Took = took[len(took)/2]
	return p, nil
}

// once is one transfer. The server lives until its input ends.
func once(ctx context.Context, w work) (p point, err error) {
	srv := exec.CommandContext(ctx, "/proc/self/exe")
	srv.Env = append(os.Environ(), asProgram, envServe+"=1")
	srv.Stderr = os.Stderr
	srv.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := srv.StdinPipe()
	if err != nil {
		return p, err
	}
	out, err := srv.StdoutPipe()
	if err != nil {
		return p, err
	}
	if err := srv.Start(); err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, in.Close(), srv.Wait()) }()
	at, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return p, fmt.Errorf("the server says nothing: %w", err)
	}
	words, err := json.Marshal(w)
	if err != nil {
		return p, err
	}
	client := exec.CommandContext(ctx, "/proc/self/exe")
	client.Env = append(os.Environ(), asProgram, envSend+"="+strings.TrimSpace(at)+" "+string(words))
	client.Stderr = os.Stderr
	answer, err := client.Output()
	if err == nil {
		err = json.Unmarshal(answer, &p)
	}
	if err != nil {
		return p, fmt.Errorf("the client: %w", err)
	}
	p.Server, err = testkit.PeakMemory(srv.Process.Pid)
	return p, err
}
