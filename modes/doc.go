// Package modes changes permission bits as chmod(1) does, in the notation of rsync's
// --chmod: octal numbers and symbolic changes, separated by commas, each for files, for
// directories or for both. It is pure: what of the host counts, the umask, is given.
package modes
