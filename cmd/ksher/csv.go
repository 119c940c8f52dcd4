package main

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
)

// writeCSV writes things that have the same fields, below a line of the fields' names.
func writeCSV(to io.Writer, names []string, things [][]field) error {
	w := csv.NewWriter(to)
	if err := w.Write(names); err != nil {
		return err
	}
	for _, fields := range things {
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = csvCell(f.value)
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// negative is an amount below zero, which is no formula.
var negative = regexp.MustCompile(`^-[0-9]+(\.[0-9]+)?$`)

// csvCell keeps a spreadsheet from taking a text for a formula.
func csvCell(text string) string {
	if strings.IndexAny(text, "=+-@\t\r\n") == 0 && !negative.MatchString(text) {
		return "'" + text
	}
	return text
}

// names are the names of fields.
func names(fields []field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return list
}
