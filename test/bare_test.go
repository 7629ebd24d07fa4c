package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
)

// bare is one end of bare sockets, what nothing over TCP outdoes: "listen ADDR FILE"
// writes what comes to where it belongs in a file, until it is killed; "send ADDR STREAMS
// FILE" sends a file, a part of it over each connection, and ends when all is written.
// No checks, no names, no metadata: sendfile(2), read(2), pwrite(2).
func bare(words []string) int {
	err := errors.New("listen ADDR FILE, or send ADDR STREAMS FILE")
	switch {
	case len(words) == 3 && words[0] == "listen":
		err = bareListen(words[1], words[2])
	case len(words) == 4 && words[0] == "send":
		var streams int
		if streams, err = strconv.Atoi(words[2]); err == nil {
			err = bareSend(words[1], streams, words[3])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		return 1
	}
	return 0
}

// bareBuffer is what one call reads or writes.
const bareBuffer = 1 << 20

func bareListen(addr, file string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close() // early, where something fails: the other end sees it
			var head [8]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			off := int64(binary.LittleEndian.Uint64(head[:]))
			for buf := make([]byte, bareBuffer); ; {
				n, err := c.Read(buf)
				if err == io.EOF {
					_, _ = c.Write(head[:]) // all is written
				}
				if err != nil {
					return
				}
				if _, err := f.WriteAt(buf[:n], off); err != nil {
					return
				}
				off += int64(n)
			}
		}()
	}
}

func bareSend(addr string, streams int, file string) error {
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make([]error, streams)
	part := (st.Size() + int64(streams) - 1) / int64(streams)
	for i := range streams {
		off := int64(i) * part
		all.Go(func() { errs[i] = bareStream(addr, file, off, min(part, st.Size()-off)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func bareStream(addr, file string, off, size int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return err
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], uint64(off))
	if _, err := c.Write(head[:]); err != nil {
		return err
	}
	if n, err := io.Copy(c, io.LimitReader(f, size)); err != nil || n != size { // sendfile(2)
		return fmt.Errorf("%d bytes of %d: %w", n, size, err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadFull(c, head[:])
	return err
}
