"""Layers laid over each other, and paths looked up as a process in a container would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.filetree import FileEntry, FileKind, FileTree, Layer
from pytest_multiarch.core.packages import Package

BASH, MUSL = Package("dpkg", "bash", "5.2"), Package("apk", "musl", "1.2")


def make_entry(text: str) -> FileEntry:
    """`/a/` is a folder, `/a -> b` a link, `/a` a file, `/a:x` one with the digest `x`."""
    path, _, target = text.partition(" -> ")
    if target:
        return FileEntry(path, FileKind.LINK, target=target)
    path, _, digest = path.partition(":")
    if path.endswith("/"):
        return FileEntry(path.rstrip("/") or "/", FileKind.FOLDER, mode=0o700)
    return FileEntry(path, FileKind.FILE, digest=digest)


def make_layer(*entries: str, **fields: object) -> Layer:
    made = tuple(make_entry(each) for each in entries)
    return Layer(digest="", diff_id="", entries=made, **fields)  # type: ignore[arg-type]


def merge(*layers: Layer | str) -> FileTree:
    return FileTree.merge(each if isinstance(each, Layer) else make_layer(each) for each in layers)


def list_paths(tree: FileTree) -> list[str]:
    return sorted(each.path for each in tree)


# Merging


def test_an_entry_is_of_the_last_layer_that_has_it() -> None:
    tree = merge(make_layer("/a:old", "/b"), make_layer("/a:new"))
    a, b = tree.find("/a"), tree.find("/b")
    assert a is not None
    assert b is not None
    assert (a.digest, a.layer, b.layer) == ("new", 1, 0)
    assert len(tree) == 2


def test_no_layers_are_an_empty_tree() -> None:
    assert list_paths(merge()) == []
    assert len(merge()) == 0


def test_a_whiteout_removes_a_file_or_a_folder_with_all_that_is_in_it() -> None:
    base = make_layer("/a", "/d/", "/d/e/", "/d/e/f", "/de")
    assert list_paths(merge(base, make_layer(whiteouts=("/a", "/d", "/none")))) == ["/de"]


def test_a_whiteout_is_of_layers_below_only() -> None:
    tree = merge(make_layer("/d/old"), make_layer("/d/new", whiteouts=("/d",)))
    assert list_paths(tree) == ["/d", "/d/new"]


def test_what_was_removed_can_come_again() -> None:
    tree = merge("/d/a", make_layer(whiteouts=("/d",)), "/d/b", "/d/a")
    assert [each.path for each in tree.list_folder("/d")] == ["/d/a", "/d/b"]


def test_an_opaque_folder_is_emptied_and_stays() -> None:
    base = make_layer("/d/", "/d/e/f", "/d/g", "/h")
    tree = merge(base, make_layer("/d/new", opaque=("/d",)))
    assert list_paths(tree) == ["/d", "/d/new", "/h"]


def test_an_opaque_root_hides_all_below() -> None:
    assert list_paths(merge("/a/b", make_layer("/c", opaque=("/",)))) == ["/c"]


@pytest.mark.parametrize("other", ["/d", "/d -> e"])
def test_a_file_in_the_place_of_a_folder_removes_what_was_in_it(other: str) -> None:
    tree = merge(make_layer("/d/", "/d/a", "/d/b/c"), other)
    assert list_paths(tree) == ["/d"]
    assert [each.path for each in tree.list_folder("/")] == ["/d"]


def test_a_folder_over_a_folder_changes_its_mode_only() -> None:
    tree = merge("/d/a", "/d/")
    folder = tree.find("/d")
    assert folder is not None
    assert (folder.mode, folder.layer) == (0o700, 1)
    assert list_paths(tree) == ["/d", "/d/a"]


def test_a_folder_in_the_place_of_a_link_is_one() -> None:
    tree = merge(make_layer("/lib -> usr/lib", "/usr/lib/a"), make_layer("/lib/", "/lib/b"))
    assert list_paths(tree) == ["/lib", "/lib/b", "/usr", "/usr/lib", "/usr/lib/a"]


def test_a_file_beneath_a_link_goes_where_that_leads() -> None:
    """As engines unpack it: the layers of many builders name `/lib/...` on merged-usr bases."""
    tree = merge(make_layer("/lib -> usr/lib", "/usr/lib/a"), "/lib/x/b")
    assert list_paths(tree) == [
        "/lib",
        "/usr",
        "/usr/lib",
        "/usr/lib/a",
        "/usr/lib/x",
        "/usr/lib/x/b",
    ]


def test_a_whiteout_beneath_a_link_removes_what_that_leads_to() -> None:
    tree = merge(make_layer("/lib -> usr/lib", "/usr/lib/a"), make_layer(whiteouts=("/lib/a",)))
    assert list_paths(tree) == ["/lib", "/usr", "/usr/lib"]


def test_a_whiteout_of_a_link_leaves_what_that_leads_to() -> None:
    tree = merge(make_layer("/lib -> usr/lib", "/usr/lib/a"), make_layer(whiteouts=("/lib",)))
    assert list_paths(tree) == ["/usr", "/usr/lib", "/usr/lib/a"]


def test_a_link_that_leads_elsewhere_in_a_later_layer_is_followed_anew() -> None:
    tree = merge(make_layer("/l -> a", "/l/x", "/l -> b", "/l/y"))
    assert list_paths(tree) == ["/a", "/a/x", "/b", "/b/y", "/l"]


def test_folders_that_no_layer_lists_are_there() -> None:
    folder = merge("/a/b/c").find("/a/b")
    assert folder is not None
    assert (folder.kind, folder.mode, folder.layer) == (FileKind.FOLDER, 0o755, 0)


def test_hard_links_take_the_content_from_a_layer_below() -> None:
    tree = merge("/a:x", make_layer(hard_links=(("/d/b", "/a"), ("/c", "/none"), ("/e", "/d"))))
    found = tree.find("/d/b")
    assert found is not None
    assert (found.path, found.digest, found.layer) == ("/d/b", "x", 1)
    assert list_paths(tree) == ["/a", "/d", "/d/b"]


def test_the_root_is_always_a_folder() -> None:
    tree = merge("/ -> etc", "/a", make_layer(whiteouts=("/",)))
    root = tree.find("/")
    assert root is not None
    assert root.kind is FileKind.FOLDER
    assert list_paths(tree) == ["/a"]


# Packages and texts


def test_packages_and_texts_are_those_of_files_that_are_still_there() -> None:
    base = make_layer(
        "/db", "/other", "/text",
        packages={"/db": (BASH,), "/other": (MUSL,)}, texts={"/text": "1"},
    )  # fmt: skip
    newer = make_layer("/db", packages={"/db": (MUSL,)}, whiteouts=("/other",))
    tree = merge(base, newer)
    assert (tree.packages, tree.texts) == ({"/db": (MUSL,)}, {"/text": "1"})


def test_a_database_that_is_replaced_by_one_that_was_not_read_is_none() -> None:
    tree = merge(make_layer("/db", packages={"/db": (BASH,)}), make_layer("/db", notes=("unread",)))
    assert (tree.packages, tree.notes) == ({}, ("unread",))


def test_they_are_known_by_their_real_path() -> None:
    base = make_layer("/etc/os -> ../usr/os", "/lib -> usr/lib")
    tree = merge(
        base, make_layer("/usr/os", "/lib/db", texts={"/usr/os": "x"}, packages={"/lib/db": ()})
    )
    release = tree.follow("/etc/os")
    assert release is not None
    assert (tree.texts[release.path], list(tree.packages)) == ("x", ["/usr/lib/db"])


# Looking up

TREE = merge(
    make_layer(
        "/bin -> usr/bin",
        "/usr/bin/sh -> dash",
        "/usr/bin/dash",
        "/usr/bin/abs -> /usr/bin/dash",
        "/usr/bin/out -> ../../../../usr/bin/dash",
        "/usr/bin/dangling -> nothing",
        "/loop -> loop",
        "/one -> two",
        "/two -> one",
        "/slash -> usr/bin/",
        "/file/../x",
    )
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "/"),
        ("", "/"),
        ("/bin", "/bin"),
        ("/bin/sh", "/usr/bin/sh"),
        ("bin//./sh", "/usr/bin/sh"),
        ("/bin/", "/bin"),
        ("/bin/../x", None),  # `..` of where the link leads
        ("/bin/../bin/dash", "/usr/bin/dash"),
        ("/../usr/bin/dash", "/usr/bin/dash"),
        ("/usr/bin/dash/x", None),
        ("/loop", "/loop"),
        ("/loop/x", None),
        ("/none", None),
    ],
)
def test_find_gives_a_path_itself_and_follows_the_links_above_it(
    path: str, found: str | None
) -> None:
    entry = TREE.find(path)
    assert (entry.path if entry else None) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/bin", "/usr/bin"),
        ("/bin/sh", "/usr/bin/dash"),
        ("/usr/bin/abs", "/usr/bin/dash"),
        ("/usr/bin/out", "/usr/bin/dash"),
        ("/slash/sh", "/usr/bin/dash"),
        ("/usr/bin/dangling", None),
        ("/loop", None),
        ("/one", None),
    ],
)
def test_follow_gives_what_a_path_leads_to(path: str, found: str | None) -> None:
    entry = TREE.follow(path)
    assert (entry.path if entry else None) == found


def test_forty_links_are_followed_as_linux_does_and_no_more() -> None:
    links = [f"/l{number} -> l{number + 1}" for number in range(41)]
    tree = merge(make_layer(*links, "/l41"))
    end = tree.follow("/l1")
    assert end is not None
    assert end.path == "/l41"
    assert tree.follow("/l0") is None


def test_a_folder_is_listed_by_name_through_links() -> None:
    listed = [each.path for each in TREE.list_folder("/bin")]
    assert listed == sorted(listed)
    assert listed[0] == "/usr/bin/abs"
    assert len(listed) == 5


@pytest.mark.parametrize("path", ["/usr/bin/dash", "/none", "/loop", "/usr/bin/dangling"])
def test_what_is_no_folder_lists_nothing(path: str) -> None:
    assert TREE.list_folder(path) == ()


# Anything

NAMES = st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=4).map("/".join)
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(
    lambda names: "/" + "/".join(names)
)
ENTRIES = st.one_of(
    PATHS,
    PATHS.map(lambda path: f"{path}/"),
    st.tuples(PATHS, NAMES, st.sampled_from(["", "/"])).map(
        lambda it: f"{it[0]} -> {it[2]}{it[1]}"
    ),
)
LAYERS = st.builds(
    lambda entries, whiteouts, opaque, links: make_layer(
        *entries, whiteouts=tuple(whiteouts), opaque=tuple(opaque), hard_links=tuple(links)
    ),
    st.lists(ENTRIES, max_size=8),
    st.lists(PATHS, max_size=2),
    st.lists(PATHS, max_size=2),
    st.lists(st.tuples(PATHS, PATHS), max_size=2),
)


@given(st.lists(LAYERS, max_size=4))
def test_in_any_tree_what_is_there_is_found_and_listed_where_it_is(layers: list[Layer]) -> None:
    tree = FileTree.merge(layers)
    for entry in tree:
        assert tree.find(entry.path) is entry
        folder, _, _ = entry.path.rpartition("/")
        assert entry in tree.list_folder(folder or "/")
        assert (tree.find(folder or "/") or entry).kind is FileKind.FOLDER
        followed = tree.follow(entry.path)
        assert followed is None or followed.kind is not FileKind.LINK
    assert len(list_paths(tree)) == len(set(list_paths(tree))) == len(tree)


def test_a_path_of_very_many_steps_leads_nowhere() -> None:
    """Forty links of a thousand steps each, for each of many files, would take for ever."""
    tree = merge("/a/", "/file", make_layer(f"/link -> {'a/../' * 1000}file"))
    assert tree.follow("/link") is None
    assert tree.follow("/a/" + "../" * 600) is None


def test_a_file_beneath_a_link_of_very_many_steps_is_put_somewhere() -> None:
    tree = merge("/a/", make_layer(f"/link -> {'a/../' * 1000}a", "/link/x"))
    assert any(each.path.endswith("/x") for each in tree)
