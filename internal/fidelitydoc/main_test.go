package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/testkit"
)

func TestThePageSaysWhatTheTestsHold(t *testing.T) {
	dir, page := t.TempDir(), filepath.Join(t.TempDir(), "page.md")
	write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	statement := func(name, what string, evidence testkit.Evidence) {
		write(filepath.Join(dir, name+".json"), `{"What":"`+what+`","Evidence":"`+string(evidence)+`","Test":"tests TestA"}`)
	}
	write(page, "before\n"+begin+end+"after\n")
	assert.ErrorContains(t, run(dir, page, false, false), "KSHER_FIDELITY")
	statement("1", "request: a GET is refused", testkit.Documented)
	statement("2", "request: a GET is refused", testkit.Documented)
	require.ErrorContains(t, run(dir, page, true, false), "not on the page: | a GET is refused")
	require.NoError(t, run(dir, page, false, false))
	require.NoError(t, run(dir, page, true, false))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, "before\n"+begin+"\n| evidence | statements |\n|---|---|\n| genuine answer | 0 |\n| published answer | 0 |\n| documentation | 1 |\n"+
		"| other clients | 0 |\n| assumed | 0 |\n\n### request\n\n| statement | evidence | held by |\n|---|---|---|\n"+
		"| a GET is refused | documentation | `tests TestA` |\n\n"+end+"after\n", string(text))

	statement("2", "request: a POST is taken", testkit.Documented)
	assert.ErrorContains(t, run(dir, page, true, true), "a POST is taken")
	require.NoError(t, run(dir, page, false, false))
	require.NoError(t, os.Remove(filepath.Join(dir, "1.json")))
	assert.ErrorContains(t, run(dir, page, true, false), "held by no test: | a GET is refused")
	assert.NoError(t, run(dir, page, true, true), "the genuine answers aren't here")
	require.NoError(t, run(dir, page, false, false))
	edited, err := os.ReadFile(page)
	require.NoError(t, err)
	write(page, strings.Replace(string(edited), "### request", "### answer", 1))
	assert.ErrorContains(t, run(dir, page, true, false), "headings")
	write(page, "nothing")
	assert.ErrorContains(t, run(dir, page, true, false), "lacks the lines")
}

func TestTablesAreBySubject(t *testing.T) {
	got := tables([]testkit.Statement{
		{What: "vip: a b", Evidence: testkit.Genuine, Test: "vip TestA"},
		{What: "answer: c|d", Evidence: testkit.Documented, Test: "tests TestB/x|y"},
		{What: "no subject", Evidence: testkit.Clients, Test: "tests TestC"},
		{What: "answer: e", Evidence: testkit.Assumed, Test: "tests TestD"},
	})
	const head = "\n\n| statement | evidence | held by |\n|---|---|---|\n"
	assert.Contains(t, got, "\n### Other"+head+"| no subject | other clients | `tests TestC` |\n"+
		"\n### answer"+head+"| c\\|d | documentation | `tests TestB/x\\|y` |\n"+
		"\n### vip"+head+"| a b | genuine answer | `vip TestA` |\n"+
		"\n### Assumed"+head+"| answer: e | assumed | `tests TestD` |\n\n")
}
