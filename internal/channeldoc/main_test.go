package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocumentationIsTheTable(t *testing.T) {
	want, err := render()
	require.NoError(t, err)
	got, err := os.ReadFile("../../docs/channels.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate")
}
