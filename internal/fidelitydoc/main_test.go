package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThePageSaysWhatTheTestsHold(t *testing.T) {
	dir, page := t.TempDir(), filepath.Join(t.TempDir(), "page.md")
	write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	statement := func(name, what string) {
		write(filepath.Join(dir, name+".json"), `{"What":"`+what+`","Evidence":"documentation","Test":"tests TestA"}`)
	}
	write(page, "before\n"+begin+end+"after\n")
	assert.ErrorContains(t, run(dir, page, false, false), "KSHER_FIDELITY")
	statement("1", "a GET is refused")
	statement("2", "a GET is refused")
	require.ErrorContains(t, run(dir, page, true, false), "not on the page: | a GET is refused")
	require.NoError(t, run(dir, page, false, false))
	require.NoError(t, run(dir, page, true, false))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, "before\n"+begin+"\n| statement | evidence | held by |\n|---|---|---|\n"+
		"| a GET is refused | documentation | `tests TestA` |\n\n"+end+"after\n", string(text))

	statement("2", "a POST is taken")
	assert.ErrorContains(t, run(dir, page, true, true), "a POST is taken")
	require.NoError(t, run(dir, page, false, false))
	require.NoError(t, os.Remove(filepath.Join(dir, "1.json")))
	assert.ErrorContains(t, run(dir, page, true, false), "held by no test: | a GET is refused")
	assert.NoError(t, run(dir, page, true, true), "the genuine answers aren't here")
	write(page, "nothing")
	assert.ErrorContains(t, run(dir, page, true, false), "lacks the lines")
}
