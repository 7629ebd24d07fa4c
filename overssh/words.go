package overssh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Request is what the client says first.
type Request struct {
	Version uint16 `json:"version"`        // wire.Version
	Key     string `json:"key"`            // text of the session's key
	Path    []byte `json:"path,omitempty"` // as typed after HOST:
	Exact   bool   `json:"exact,omitempty"`
	Ports   Ports  `json:"ports"`             // to listen on; none: any
	Timeout int64  `json:"timeout,omitempty"` // for a peer that is silent, ns
	Encrypt bool   `json:"encrypt,omitempty"` // take nothing else
	Verbose int    `json:"verbose,omitempty"`
	Sends   bool   `json:"sends,omitempty"` // the other end, whatever it is asked for; Path means nothing
}

// Answer is what the other end says to it.
type Answer struct {
	Version uint16   `json:"version"`
	Addrs   []string `json:"addrs,omitempty"` // host:port, without loopback
	Port    uint16   `json:"port,omitempty"`
	Path    []byte   `json:"path,omitempty"` // of Request, below the directory that was opened
	Dir     []byte   `json:"dir,omitempty"`  // that directory, for messages
	Code    uint16   `json:"code,omitempty"` // wire.Bye*: why it does not serve
	Error   string   `json:"error,omitempty"`
}

// Ports are From to To, both included; the zero value means any.
type Ports struct {
	From uint16 `json:"from,omitempty"`
	To   uint16 `json:"to,omitempty"`
}

const (
	// The beginnings of both lines.
	magicRequest = "scp_rdma over ssh 1: "
	magicAnswer  = "scp_rdma serves 1: "
	// maxLine: paths and 64 addresses fit.
	maxLine = 64 << 10
	// maxNoise is what login scripts may print before the answer, bytes.
	maxNoise = 64 << 10
	maxAddrs = 64
)

var (
	// ErrSpeech: what came over the pipe is no word of this package.
	ErrSpeech = errors.New("not what scp_rdma says over ssh")
	errLong   = fmt.Errorf("a line that is too long: %w", ErrSpeech)
)

// say writes a line.
func say(w io.Writer, magic string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(append([]byte(magic), b...), '\n'))
	return err
}

// hear reads lines until one that begins with magic, within noise bytes of others. Not a
// byte behind that line is read: what follows is for others.
func hear(r io.Reader, magic string, noise int, v any) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		if rest, ok := bytes.CutPrefix(line, []byte(magic)); ok {
			d := json.NewDecoder(bytes.NewReader(rest))
			if err := d.Decode(v); err != nil {
				return fmt.Errorf("%w: %w", ErrSpeech, err)
			}
			return nil
		}
		if noise -= len(line) + 1; noise < 0 {
			return fmt.Errorf("%.80q in place of it: %w", line, ErrSpeech)
		}
	}
}

// readLine reads one line, byte by byte, without its end.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		switch {
		case b[0] == '\n':
			return line, nil
		case len(line) == maxLine:
			return nil, errLong
		}
		line = append(line, b[0])
	}
}

// ReadRequest reads what a client says first.
func ReadRequest(r io.Reader) (Request, error) {
	var q Request
	err := hear(r, magicRequest, 0, &q)
	switch {
	case err != nil:
		return Request{}, fmt.Errorf("--over-ssh is for what a client starts by ssh: %w", err)
	case q.Ports.From > q.Ports.To || q.Timeout < 0:
		return Request{}, fmt.Errorf("ports or a time that make no sense: %w", ErrSpeech)
	}
	return q, nil
}

// Reply answers a request.
func Reply(w io.Writer, a Answer) error { return say(w, magicAnswer, a) }

// readAnswer reads what the other end says.
func readAnswer(r io.Reader) (Answer, error) {
	var a Answer
	err := hear(r, magicAnswer, maxNoise, &a)
	switch {
	case err != nil:
		return Answer{}, err
	case len(a.Addrs) > maxAddrs || a.Port == 0 && a.Error == "":
		return Answer{}, fmt.Errorf("an answer that makes no sense: %w", ErrSpeech)
	}
	return a, nil
}
