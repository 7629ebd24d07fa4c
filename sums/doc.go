// Package sums reads and writes lists of checksums as sha256sum and xxh128sum do: a line for
// each file, with the digest in hexadecimal digits and the name. It is pure: nobody looks at
// a file here.
package sums
