//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "lib.h"
*/
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
)

// Built says that this build has verbs.
const Built = true

// soname is the library's name since its first release of this interface.
const soname = "libibverbs.so.1"

// shared is the library, opened once per process: it is never closed, for its
// providers leave handlers behind in the process.
var shared = sync.OnceValues(func() (*C.struct_lib, error) { return load(soname) })

// positive is how C makes one errno of the three ways in which calls fail.
func positive(rc, errno int) unix.Errno { return unix.Errno(C.lib_positive(C.int(rc), C.int(errno))) }

// load opens the library of a file name.
func load(file string) (*C.struct_lib, error) {
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	var text [256]C.char
	lib := C.lib_open(name, &text[0], C.size_t(len(text)))
	if lib == nil {
		return nil, fmt.Errorf("open %s: %s: install rdma-core (Debian: libibverbs1 ibverbs-providers): %w",
			file, C.GoString(&text[0]), transport.ErrUnavailable)
	}
	return lib, nil
}
