"""Faults in the grading of submissions, and in what results are stored, compared and known by."""

from tests.mutants.mutant import faults

_RUNNING = tuple(
    f"tests/course/test_running.py::test_{name}"
    for name in (
        "a_measurement_depends_on_the_program_and_on_all_that_the_grader_has",
        "the_same_content_is_measured_once_and_again_where_it_would_be_otherwise",
    )
)
_TASKS = tuple(
    f"tests/experiment/test_executor.py::test_{name}"
    for name in ("nothing_is_done_twice", "what_failed_is_not_tried_again_under_the_same_key")
)
_FIGURES = tuple(
    f"tests/experiment/test_fingerprint.py::test_figures_rest_on_{what}"
    for what in ("their_code_and_on_what_is_drawn", "the_language_and_its_words_and_results_do_not")
)
_OF_RUN = "tests/experiment/test_fingerprint.py::test_settings_inputs_and_network_count"

MUTANTS = (
    *faults(
        "tfviz/course/measuring.py",
        "tests/course/test_measuring.py",
        (
            "claims that are too low borne out",
            "if abs(claimed - found.value) <= found.tolerance:",
            "if claimed - found.value <= found.tolerance:",
        ),
        (
            "a torn hand-in taken for what cannot be measured",
            'return "not borne out" if found.theirs else "cannot be measured", _line',
            'return "cannot be measured", _line',
        ),
        (
            "settings of one's own measured",
            "if settings not in (part.SETTINGS, part.QUICK):",
            "if settings is None:",
        ),
        (
            "of several expected values the last",
            'if expected.number not in verdicts or compared.status in ("pass", "fail"):',
            "if True:",
        ),
        (
            "of several expected values the first",
            'if expected.number not in verdicts or compared.status in ("pass", "fail"):',
            "if expected.number not in verdicts:",
        ),
        (
            "a user's file known by its name",
            "label.endswith(USERS) and file_sha256(file) != claimed",
            "label.endswith(USERS) and claimed is None",
        ),
        (
            "memory that runs out held against the student",
            "    except MemoryError:\n        raise\n    except Exception as error:  # what",
            "    except Exception as error:  # what",
        ),
        (
            "what keeps a whole part from being measured is nobody's",
            "theirs=isinstance(error, NotHandedInError))",
            "theirs=False)",
        ),
        ("another network's file of weights taken", "if file in known[looked_at] or (", "if file or ("),
        (
            "numbers of another network than was looked at taken",
            "if part.NETWORKS and others:",
            "if others == part.NETWORKS:",
        ),
    ),
    *faults(
        "tfviz/course/rubric.py",
        "tests/course/test_rubric.py",
        (
            "points for what is not borne out",
            ' or row.verdict == "not borne out" or row.theirs:',
            " or row.theirs:",
        ),
        (
            "points for settings of one's own",
            ' or row.verdict == "not borne out" or row.theirs:',
            ' or row.verdict == "not borne out":',
        ),
        ("late work keeps all", "points=row.points * self.late,", "points=row.points,"),
        (
            "leaving numbers out gains points",
            "+ (0.0 if others else self.weights[_OTHER])",
            "",
        ),
        (
            "the sides of a lower bound swapped",
            '"at least": row.expected - row.claimed,',
            '"at least": row.claimed - row.expected,',
        ),
        (
            "the sides of an upper bound swapped",
            '"at most": row.claimed - row.expected,',
            '"at most": row.expected - row.claimed,',
        ),
        (
            "the worst of several shares",
            "share = max(shares, default=0.0)",
            "share = min(shares, default=0.0)",
        ),
    ),
    *faults(
        "tfviz/course/submissions.py",
        "tests/course/test_submissions.py",
        ("names that lead out of a zip", 'if ".." in _steps(name) else ""', 'if name == ".." else ""'),
        ("links unpacked", "if kind not in (0, stat.S_IFREG):", "if kind == stat.S_IFCHR:"),
        ("of two files of one name the first", "if len(entries) > 1:", "if len(entries) > 9:"),
        (
            "zip bombs unpacked",
            "if entry.file_size > 1_000_000 + limits.ratio * entry.compress_size:",
            "if entry.file_size < 0:",
        ),
        ("folders that are links read", "for each in (path.parent, path)):", "for each in (path,)):"),
        (
            "a linked folder known as what it leads to",
            "if each.parent.is_symlink() or each.is_symlink():",
            "if each.is_symlink():",
        ),
        (
            "an export read once for ever",
            "_of_file(path, path.stat().st_mtime_ns), *",
            "_of_file(path, 0), *",
        ),
        ("all students of an export are one", "st_mtime_ns), *inside])", "st_mtime_ns)])"),
        (
            "of several sets of results the first",
            "if len(places) > 1 and len(usual) != 1:",
            "if not places and usual:",
        ),
        ("the grader's own output is a student", "if self.own is None or kind != self.own", "if kind"),
        (
            "a student's word beside the file is another student",
            "students.setdefault((match and (match[1] or match[2])) or each, [])",
            "students.setdefault(each, [])",
        ),
        ("of a student's zips none is looked into", "if 1 < len(zips) <= _MOST_ZIPS:", "if len(zips) < 0:"),
        ("any number of zips looked into", "if 1 < len(zips) <= _MOST_ZIPS:", "if len(zips) > 1:"),
        ("a course's zip counts as the student's", "1 + bool(inside) if deeper", "1 if deeper"),
    ),
    *faults(
        "tfviz/course/running.py",
        _RUNNING,
        ("a measurement of another program or lab taken", "limits), *about])", "limits)])"),
        ("a measurement of another program taken", "return [sources_sha256(), files,", "return [files,"),
        (
            "a measurement with other weights taken",
            "[sources_sha256(), files, lab.seed",
            "[sources_sha256(), lab.seed",
        ),
        ("a measurement under its first owner's name", "= value.named(each.name)", "= value"),
    ),
    *faults(
        "tfviz/course/twins.py",
        "tests/course/test_twins.py",
        (
            "equal seeds differ",
            "and seeds[0] != seeds[1] and self",
            "and self",
        ),
        (
            "unknown seeds differ",
            "return None not in (*seeds, self.recipe) and",
            "return self.recipe is not None and",
        ),
        (
            "the seed changes one recipe's pictures since it changes another's",
            "among = different.reshape(count, count) & np",
            "among = different.reshape(count, count) | False & np",
        ),
        ("other settings are another seed", "!= seeds[1] and self.recipe == other.recipe", "!= seeds[1]"),
        (
            "pictures of one's own are another seed",
            "None not in (*seeds, self.recipe)",
            "None not in seeds",
        ),
        ("one picture in common is a copy", "(there > 0) & (2 * there >= most)", "(there > 0)"),
        ("runs that say no times are one", "return times if all(times) else None", "return times"),
        (
            "a line a pair for a run that many have",
            "set(names).union(*(each for each in groups if certain and each & set(names)))",
            "set(names)",
        ),
        ("of two alone something follows", "        or len(comparable) < 3\n", ""),
    ),
    *faults(
        "tfviz/course/sheets.py",
        "tests/course/test_sheets.py",
        (
            "wide signs begin formulas",
            'unicodedata.normalize("NFKC", value[:1]).startswith',
            "value[:1].startswith",
        ),
        (
            "of a student's submissions the worst",
            "max(best.get(student, 0.0), each.points)",
            "each.points * 0",
        ),
        ("a part passed by any point", "return points >= of - 1e-9", "return points > 0"),
    ),
    *faults(
        "tfviz/course/command.py",
        "tests/course/test_command.py",
        (
            "a user's file taken for the published one",
            "label = name if found.published or _holds_published(name, path)",
            "label = name if found",
        ),
        ("samples that can be known beforehand", "secrets.randbelow(2**32)", "0"),
        (
            "all were graded, whatever was refused",
            "return not any(each.refused for each in graded)",
            "return True",
        ),
        (
            "a network that is lacking where no points hang on it",
            "if row.points and row.network",
            "if row.network",
        ),
    ),
    *faults(
        "tfviz/experiment/grading.py",
        "tests/experiment/test_grading.py",
        (
            "the best of repeats counts",
            "for value in (measured, *(spread or ()))]",
            "for value in (measured,)]",
        ),
        ("a lower bound turned round", '"at least": -off,', '"at least": off,'),
        (
            "compared whatever the network",
            "elif expected.networks and network not in expected.networks:",
            "elif expected.networks and not network:",
        ),
    ),
    *faults(
        "tfviz/experiment/store.py",
        "tests/experiment/test_store.py",
        (
            "any result current",
            'if stored.provenance.get("fingerprint") != fingerprint:',
            "if not fingerprint:",
        ),
        ("another part's result taken", "        if result.part != part:", "        if not result.part:"),
        (
            "a failure takes the good result away",
            "        if earlier_is_good:\n            path.replace",
            "        if not path:\n            path.replace",
        ),
    ),
    *faults(
        "tfviz/experiment/fingerprint.py",
        _OF_RUN,
        (
            "settings forgotten",
            '"settings": settings,\n        "inputs"',
            '"settings": {},\n        "inputs"',
        ),
        ("the network forgotten", '"inputs": {**inputs, "network": network},', '"inputs": {**inputs},'),
    ),
    *faults(
        "tfviz/experiment/fingerprint.py",
        _FIGURES,
        ("figures in another language kept", '"language": [words.code, words.sha256],', '"language": [],'),
        ("figures of other arrays kept", '            "arrays": result.arrays,\n', ""),
    ),
    *faults(
        "tfviz/experiment/shelf.py",
        "tests/experiment/test_shelf.py",
        (
            "a stranger's copy believed",
            "return result if hmac.compare_digest(seal, self._seal(key, result)) else None",
            "return result",
        ),
        (
            "another task's copy believed",
            'hashlib.sha256(key.encode()).digest(), "sha256")',
            'b"", "sha256")',
        ),
        ("a damaged copy believed", "        seal.update(result)\n", ""),
        ("a secret that everybody knows", "secrets.token_bytes(32)", "bytes(32)"),
    ),
    *faults(
        "tfviz/experiment/executor.py",
        _TASKS,
        ("a task of one key done twice", "if task.key in seen or done(task.key):", "if done(task.key):"),
        ("what is kept done again", "if task.key in seen or done(task.key):", "if task.key in seen:"),
    ),
    *faults(
        "tfviz/experiment/lab.py",
        "tests/experiment/test_lab.py",
        ("another program's numbers remembered", "sha256, 'commit': commit()}", "sha256}"),
        ("other weights remembered", "{**what, 'weights': sha256, 'commit'", "{**what, 'commit'"),
        (
            "differences of bytes wrapped",
            "np.abs(np.asarray(stored, np.float64) - own)",
            "np.abs(stored - own)",
        ),
        ("a probability more open than its logits", "open_by = 2 * (ROUNDING", "open_by = 20 * (ROUNDING"),
    ),
    *faults(
        "tfviz/experiment/part.py",
        "tests/experiment/test_lab.py",
        ("numbers of two networks labelled with one", "if len(labels) > 1:", "if len(labels) > 2:"),
        (
            "arrays of another order of bytes",
            "found.dtype != np.dtype(dtype)",
            "found.dtype.kind != np.dtype(dtype).kind",
        ),
    ),
)
