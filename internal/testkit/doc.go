// Package testkit is what the tests and measurements of several packages share.
package testkit
