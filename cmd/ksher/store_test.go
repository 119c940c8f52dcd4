package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

func TestDataFile(t *testing.T) {
	dir := t.TempDir()
	notOurs := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(notOurs, make([]byte, 64<<10), 0o600))
	used := filepath.Join(dir, "used.db")
	s, err := openStore(used)
	require.NoError(t, err)
	defer s.close()
	for file, want := range map[string]string{
		used:                             "in use by another gateway",
		notOurs:                          "isn't one of this program's",
		filepath.Join(dir, "no", "file"): "can't be opened",
	} {
		_, err := openStore(file)
		assert.ErrorContains(t, err, want)
	}
}

func TestStoreSurvivesARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data.db")
	open := func() *store {
		s, err := openStore(file)
		require.NoError(t, err)
		return s
	}
	s := open()
	beside, orders, err := s.Load()
	require.NoError(t, err)
	assert.Nil(t, beside)
	assert.Empty(t, orders)
	first, second, third := sandbox.Record{Serial: 1, Text: []byte("a")}, sandbox.Record{Serial: 2, Text: []byte("b")}, sandbox.Record{Serial: 300, Text: []byte("c")}
	require.NoError(t, s.Save([]byte("1"), []sandbox.Record{third, first, second}, nil))
	require.NoError(t, s.close())

	s = open()
	require.NoError(t, s.Save([]byte("2"), nil, []int{2}))
	require.NoError(t, s.close())
	assert.Error(t, s.Save([]byte("3"), nil, nil))

	s = open()
	defer s.close()
	beside, orders, err = s.Load()
	require.NoError(t, err)
	assert.Equal(t, "2", string(beside))
	assert.Equal(t, []sandbox.Record{first, third}, orders)
}
