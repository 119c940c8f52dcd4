// Package pages reads the code that the project's pages and package comments show, compiles
// what is Go, and runs what is a command, so that a reader can copy it.
package pages

import (
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Block is a block of code on a page.
type Block struct {
	Page     string // its path from the root of the repository
	Line     int    // of its first line
	Language string // "" if the page doesn't say
	Text     string
}

func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

var fence = regexp.MustCompile("^( *)```+(.*)$")

// Markdown returns the blocks of a page.
func Markdown(page, text string) ([]Block, error) {
	var blocks []Block
	var indent string
	var inside *Block
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m == nil && inside != nil:
			inside.Text += strings.TrimPrefix(line, indent) + "\n"
		case m == nil:
		case inside != nil:
			blocks = append(blocks, *inside)
			inside = nil
		default:
			indent = m[1]
			inside = &Block{Page: page, Line: i + 2, Language: strings.TrimSpace(m[2])}
		}
	}
	if inside != nil {
		return nil, fmt.Errorf("%s: the block doesn't end", inside)
	}
	return blocks, nil
}

var command = regexp.MustCompile(`^([A-Z_]+=\S+ )?(cd|curl|go|ksher) `)

// PackageComment returns the blocks in the comment of the package in a folder, which is
// named from the root. Go's comments have no languages: what begins like a command is sh,
// everything else go.
func PackageComment(root, folder string) ([]Block, error) {
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s has no Go files (%v)", folder, err)
	}
	var blocks []Block
	for _, path := range files {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			return nil, err
		}
		if file.Doc == nil || strings.HasSuffix(path, "_test.go") {
			continue
		}
		page, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		lines, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for _, content := range new(comment.Parser).Parse(file.Doc.Text()).Content {
			code, ok := content.(*comment.Code)
			if !ok {
				continue
			}
			b := Block{Page: filepath.ToSlash(page), Language: "go", Text: code.Text}
			if command.MatchString(code.Text) {
				b.Language = "sh"
			}
			first, _, _ := strings.Cut(code.Text, "\n")
			before, _, _ := strings.Cut(string(lines), "//\t"+first)
			b.Line = strings.Count(before, "\n") + 1
			blocks = append(blocks, b)
		}
	}
	return blocks, nil
}
