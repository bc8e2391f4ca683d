package manual

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// nodes visits the syntax of a package's files, tests left out.
func nodes(t *testing.T, dir string, visit func(ast.Node)) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no source in %s: %v", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if n != nil {
				visit(n)
			}
			return true
		})
	}
}

// literal returns the text of a string literal.
func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

func unique(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

var (
	recordType = regexp.MustCompile(`^\{"type":"(\w+)"$`)
	member     = regexp.MustCompile(`[{,]"(\w+)":`)
)

// recorded returns the types and fields that package recording writes: they are in the
// literals of its encoder.
func recorded(t *testing.T) (types, fields []string) {
	nodes(t, "../recording", func(n ast.Node) {
		s, ok := literal(n)
		if !ok {
			return
		}
		if m := recordType.FindStringSubmatch(s); m != nil {
			types = append(types, m[1])
		}
		for _, m := range member.FindAllStringSubmatch(s, -1) {
			fields = append(fields, m[1])
		}
	})
	return unique(types), unique(fields)
}

// jsonTags returns the names of struct fields in JSON.
func jsonTags(t *testing.T, dirs ...string) []string {
	var tags []string
	tag := regexp.MustCompile(`json:"(\w+)`)
	for _, dir := range dirs {
		nodes(t, dir, func(n ast.Node) {
			if f, ok := n.(*ast.Field); ok && f.Tag != nil {
				if m := tag.FindStringSubmatch(f.Tag.Value); m != nil {
					tags = append(tags, m[1])
				}
			}
		})
	}
	return unique(tags)
}

// findingIDs returns the constants of type ID in package diagnose.
func findingIDs(t *testing.T) []string {
	var ids []string
	nodes(t, "../diagnose", func(n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "ID" {
			return
		}
		for _, v := range spec.Values {
			if s, ok := literal(v); ok {
				ids = append(ids, s)
			}
		}
	})
	return unique(ids)
}

// reportColumns returns the titles in package report: what newGrid is given, and lists of
// words in capitals.
func reportColumns(t *testing.T) []string {
	var titles []string
	title := regexp.MustCompile(`^<?([A-Z][A-Z0-9_-]*( [A-Z]+)*) ?$`)
	take := func(exprs []ast.Expr) {
		for _, e := range exprs {
			ast.Inspect(e, func(n ast.Node) bool {
				if s, ok := literal(n); ok {
					if m := title.FindStringSubmatch(s); m != nil {
						titles = append(titles, m[1])
					}
				}
				return true
			})
		}
	}
	nodes(t, "../report", func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "newGrid" {
				take(n.Args)
			}
		case *ast.CompositeLit:
			take(n.Elts)
		}
	})
	return unique(titles)
}
