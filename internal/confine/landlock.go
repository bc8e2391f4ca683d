package confine

import (
	"fmt"

	landlocked "github.com/landlock-lsm/go-landlock/landlock"
	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// inFolder is what the hand does in its folder: it makes, renames, removes and cuts files.
const inFolder = abi.AccessFSWriteFile | abi.AccessFSTruncate | abi.AccessFSMakeReg | abi.AccessFSRemoveFile

// landlock confines the calling thread to making and removing files in a folder and in
// those below it. Whatever else Landlock knows of is forbidden. It is false, and does
// nothing, where the kernel has no Landlock (5.13) or does not use it (lsm=).
func landlock(folder string) (bool, error) {
	if ABI() == 0 {
		return false, nil
	}
	rules := landlocked.PathAccess(inFolder, folder)
	ruleset, flags, err := landlocked.V11.BestEffort().NewRulesetFD(rules)
	if err != nil {
		return false, fmt.Errorf("allowing the folder of the recording: %w", err)
	}
	defer unix.Close(ruleset)
	if err := abi.LandlockRestrictSelf(ruleset, flags); err != nil {
		return false, fmt.Errorf("beginning Landlock: %w", err)
	}
	return true, nil
}

// ABI returns the version of Landlock that the kernel has, 0 for none.
func ABI() int {
	version, err := abi.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return version
}
