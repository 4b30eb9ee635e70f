// Package docs tests that what the documents say is there: their links, and the
// frames, files and commands that they name.
package docs
