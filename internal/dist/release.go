package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// architectures are those that the program is built for, by Go's names.
var architectures = []string{"amd64", "arm64"}

// release is one version of the program, on its way to files.
type release struct {
	source     string // folder
	tag        string // as git has it, v1.2.3
	version    string // without the v
	commit     string
	date       time.Time // of the commit; all dates are this one
	maintainer string

	work string // folder for what is under way
	out  string // folder for what is done
}

// make writes all files of the release.
func (r *release) make() error {
	var programs []*program
	for _, arch := range architectures {
		p, err := r.build(arch)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	docs, err := r.documents(programs)
	if err != nil {
		return err
	}
	for _, p := range programs {
		for _, write := range []func(*program, *documents) error{r.writeProgram, r.writeTarball, r.writeDeb, r.writeRPM} {
			if err := write(p, docs); err != nil {
				return err
			}
		}
		if err := r.writeSBOM(p); err != nil {
			return err
		}
	}
	if err := r.writeImage(programs); err != nil {
		return err
	}
	return r.writeSums()
}

// name returns the name of a file of the release.
func (r *release) name(rest string) string { return "porttrace_" + r.version + rest }

func (r *release) writeFile(name string, data []byte, mode os.FileMode) error {
	path := filepath.Join(r.out, name)
	err := os.WriteFile(path, data, mode)
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func (r *release) writeProgram(p *program, _ *documents) error {
	return r.writeFile(r.name("_linux_"+p.arch), p.data, 0o755)
}

var numbered = regexp.MustCompile(`^\d+(\.\d+)*`)

// packageVersion returns the version as both dpkg and rpm compare it rightly: of commits
// after a tag, above the tag; of a history without tags, below any, by date.
func (r *release) packageVersion() string {
	v := strings.ReplaceAll(r.version, "-", ".")
	base := numbered.FindString(r.version)
	switch rest := strings.TrimPrefix(r.version, base); {
	case !strings.Contains(base, "."): // a number alone may be the start of a hash
		return "0~" + r.date.Format("20060102150405") + "." + v
	case rest == "":
		return base
	case isPrerelease(rest):
		return base + "~" + strings.ReplaceAll(rest[1:], "-", ".")
	default:
		return base + "+" + strings.TrimLeft(strings.ReplaceAll(rest, "-", "."), ".")
	}
}

// isPrerelease tells "-rc1" from "-4-g2f9c0de", which is four commits later.
func isPrerelease(rest string) bool {
	return regexp.MustCompile(`^-(alpha|beta|rc)`).MatchString(rest)
}
