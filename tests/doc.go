// Package tests has the suites over the whole library, through its public API.
// What is about one file is tested beside that file.
package tests
