package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
)

// bare is one end of bare sockets, what nothing over TCP outdoes: "listen ADDR" reads
// and drops what comes, until it is killed; "send ADDR STREAMS BYTES" sends so much over
// so many connections, and ends when all has been read.
func bare(words []string) int {
	err := errors.New("listen ADDR, or send ADDR STREAMS BYTES")
	switch {
	case len(words) == 2 && words[0] == "listen":
		err = bareListen(words[1])
	case len(words) == 4 && words[0] == "send":
		streams, err1 := strconv.Atoi(words[2])
		bytes, err2 := strconv.ParseInt(words[3], 10, 64)
		if err = errors.Join(err1, err2); err == nil {
			err = bareSend(words[1], streams, bytes)
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

func bareListen(addr string) error {
	ln, err := net.Listen("tcp", addr)
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
			defer c.Close()
			buf := make([]byte, bareBuffer)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
	}
}

func bareSend(addr string, streams int, bytes int64) error {
	var all sync.WaitGroup
	errs := make([]error, streams)
	for i := range streams {
		all.Go(func() { errs[i] = bareStream(addr, bytes/int64(streams)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func bareStream(addr string, bytes int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, bareBuffer)
	for bytes > 0 {
		n, err := c.Write(buf[:min(bytes, bareBuffer)])
		if err != nil {
			return err
		}
		bytes -= int64(n)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c) // until the other end has read all, and closes
	return err
}
