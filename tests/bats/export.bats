#!/usr/bin/env bats
# export and import: images in OCI image layouts, and what other tools make of them.
load helper

setup() {
	test_setup
	LAYOUT=$BATS_TEST_TMPDIR/layout
	BACK=$BATS_TEST_TMPDIR/back.ckpt
}

saved() {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" "$@"
}

# The path of the blob that KEY... leads to, from the index on.
blob() {
	python3 - "$LAYOUT" "$@" <<-'END'
		import json, sys
		layout, *keys = sys.argv[1:]
		at = json.load(open(f"{layout}/index.json"))["manifests"][0]
		for key in keys:
		    at = json.load(open(f"{layout}/blobs/sha256/" + at["digest"].split(":")[1]))[key]
		    at = at[0] if isinstance(at, list) else at
		print(f"{layout}/blobs/sha256/" + at["digest"].split(":")[1])
	END
}

@test "export: what comes back is the same, and restores" {
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:v1"
	[[ $output =~ ^"$IMAGE: "[0-9.]+\ [KM]iB,\ in\ "oci:$LAYOUT:v1, manifest sha256:"[0-9a-f]{64}$ ]] ||
		fail "$output"
	assert_equal "$(stat -c %a "$LAYOUT" "$LAYOUT"/blobs/sha256/* | sort -u | tr '\n' ' ')" "600 700 "
	run -0 ctckpt import "oci:$LAYOUT:v1" -o "$BACK"
	cmp "$IMAGE" "$BACK"
	rm -r "$LAYOUT" "$IMAGE"
	run -0 ctckpt restore --detach "$BACK"
	victim_succeeds
}

@test "export: skopeo inspects and copies it" {
	requires cmd-skopeo
	local to
	saved --compress lz4
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:v1"
	export HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR
	run -0 skopeo inspect --raw "oci:$LAYOUT:v1"
	assert_contains "$output" "\"io.podman.annotations.checkpoint.name\": \"$VICTIM\""
	assert_contains "$output" "\"io.kubernetes.cri-o.annotations.checkpoint.name\": \"$VICTIM\""
	assert_contains "$output" "\"org.criu.checkpoint.container.name\": \"$VICTIM\""
	run -0 skopeo inspect "oci:$LAYOUT:v1"
	assert_contains "$output" '"Architecture": "amd64"'
	# To a layout, compressed; through a directory; and with zstd.
	run -0 skopeo --insecure-policy copy "oci:$LAYOUT:v1" "oci:$LAYOUT.2:v1"
	assert_contains "$(skopeo inspect --raw "oci:$LAYOUT.2:v1")" "layer.v1.tar+gzip"
	run -0 skopeo --insecure-policy copy "oci:$LAYOUT.2:v1" "dir:$LAYOUT.dir"
	run -0 skopeo --insecure-policy copy "dir:$LAYOUT.dir" "oci:$LAYOUT.3:v2"
	run -0 skopeo --insecure-policy copy --dest-compress-format zstd "oci:$LAYOUT:v1" \
		"oci:$LAYOUT.4:v1"
	run -0 skopeo --insecure-policy copy "oci:$LAYOUT:v1" "docker-archive:$LAYOUT.tar:x:v1"
	run -0 skopeo --insecure-policy copy "docker-archive:$LAYOUT.tar" "oci:$LAYOUT.5:v1"
	for to in 2:v1 3:v2 4:v1 5; do
		run -0 ctckpt import "oci:$LAYOUT.$to" -o "$BACK" --force
		cmp "$IMAGE" "$BACK"
	done
}

@test "export: to a registry and back" {
	requires cmd-skopeo cmd-docker-registry
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:v1"
	cat >"$BATS_TEST_TMPDIR/registry.yml" <<-END
		version: 0.1
		storage: { filesystem: { rootdirectory: $BATS_TEST_TMPDIR/store } }
		http: { addr: "127.0.0.1:5000" }
	END
	export HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR
	# In a network of its own. The registry ends with the shell, the first process of its namespace.
	run -0 unshare --user --map-current-user --keep-caps --net --pid --fork --kill-child \
		bash -e -s "$LAYOUT" "$BATS_TEST_TMPDIR/registry.yml" <<-'END'
		ip link set lo up
		docker-registry serve "$2" >"$2.log" 2>&1 &
		until (: </dev/tcp/127.0.0.1/5000) 2>/dev/null; do kill -0 $!; done
		at=docker://127.0.0.1:5000/saved:v1
		skopeo --insecure-policy copy --dest-tls-verify=false "oci:$1:v1" $at
		skopeo inspect --tls-verify=false --raw $at
		skopeo --insecure-policy copy --src-tls-verify=false $at "oci:$1.back:v1"
	END
	assert_contains "$output" "\"io.podman.annotations.checkpoint.name\":\"$VICTIM\""
	run -0 ctckpt import "oci:$LAYOUT.back:v1" -o "$BACK"
	cmp "$IMAGE" "$BACK"
}

@test "export: in the layer is what checkpointctl shows" {
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT"
	assert_equal "$(tar -tf "$(blob layers)" | tr '\n' ' ')" \
		"config.dump spec.dump checkpoint/ checkpoint/ctckpt.img "
	assert_contains "$(tar -xOf "$(blob layers)" config.dump)" "\"name\": \"$VICTIM\""
	assert_contains "$(tar -xOf "$(blob layers)" config.dump)" '"runtime": "ctckpt"'
	assert_contains "$(tar -xOf "$(blob layers)" spec.dump)" \
		"\"io.kubernetes.cri.container-name\": \"$VICTIM\""
}

@test "export: tags beside each other; the same tag is replaced" {
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:a"
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:b"
	run -0 ctckpt restore --detach --leave-frozen "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt export "$IMAGE.2" "oci:$LAYOUT:a"
	run -0 ctckpt import "oci:$LAYOUT:a" -o "$BACK"
	cmp "$IMAGE.2" "$BACK"
	run -0 ctckpt import "oci:$LAYOUT:b" -o "$BACK" --force
	cmp "$IMAGE" "$BACK"
	run -2 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK.2"
	assert_contains "$stderr" "there are 2 images in $LAYOUT"
	run -1 --separate-stderr ctckpt import "oci:$LAYOUT:c" -o "$BACK.2"
	assert_contains "$stderr" "there is no tag c in $LAYOUT"
	run -1 ctckpt import "oci:$LAYOUT:a" -o "$BACK"
	assert_contains "$output" "File exists"
	[[ ! -e $BACK.2 ]]
}

@test "export: who keeps a layout locked is named, and not waited for for ever" {
	local pid
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:a"
	coproc HOLDER { exec flock -o "$LAYOUT" sh -c 'echo; read _'; }
	pid=$HOLDER_PID
	read -r -u "${HOLDER[0]}"
	run -1 --separate-stderr ctckpt export "$IMAGE" "oci:$LAYOUT:b"
	assert_contains "$stderr" "$LAYOUT is locked by process $pid (flock)"
	assert_contains "$stderr" "hint: it may stand still: let it go on, or end it, then try again"
	echo >&"${HOLDER[1]}"
	wait "$pid"
	run -1 ctckpt import "oci:$LAYOUT:b" -o "$BACK"
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT:b"
}

@test "export: through a pipe into a restore" {
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT"
	run -0 bash -c '"$1" import "oci:$2" -o - | "$1" restore --detach -' - "$CTCKPT" "$LAYOUT"
	victim_succeeds
}

@test "export: what is no image or no layout is left alone" {
	saved
	head -c 100000 "$IMAGE" >"$IMAGE.cut"
	run -4 ctckpt export "$IMAGE.cut" "oci:$LAYOUT"
	[[ ! -e $LAYOUT ]]
	mkdir "$LAYOUT"
	: >"$LAYOUT/precious"
	run -1 --separate-stderr ctckpt export "$IMAGE" "oci:$LAYOUT"
	assert_contains "$stderr" "$LAYOUT is no image layout, and it is not empty"
	assert_equal "$(ls "$LAYOUT")" precious
	run -2 ctckpt export "$IMAGE" "$LAYOUT"
	run -2 --separate-stderr ctckpt export "$IMAGE" "oci:$LAYOUT:../x"
	assert_contains "$stderr" "../x is not a tag"
	run -2 ctckpt export - "oci:$LAYOUT"
}

@test "export: a link among the directories of a layout is not followed" {
	local dir=$BATS_TEST_TMPDIR/layout elsewhere=$BATS_TEST_TMPDIR/elsewhere
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt export "$IMAGE" "oci:$dir:one"
	mkdir "$elsewhere"
	mv "$dir/blobs/sha256" "$dir/blobs/other"
	ln -s "$elsewhere" "$dir/blobs/sha256"
	run -1 ctckpt export "$IMAGE" "oci:$dir:two"
	assert_contains "$output" "open sha256 in the layout: Too many levels of symbolic links"
	mv "$dir/blobs" "$dir/other"
	ln -s "$elsewhere" "$dir/blobs"
	run -1 ctckpt export "$IMAGE" "oci:$dir:two"
	assert_contains "$output" "open blobs in the layout: Too many levels of symbolic links"
	assert_equal "$(ls -A "$elsewhere")" ""
}

@test "export: a full disk leaves the layout as it was" {
	requires small-fs
	local small=$CTCKPT_TEST_SMALL/$BATS_TEST_NUMBER-$$
	saved
	run -0 ctckpt export "$IMAGE" "oci:$small:a"
	local before
	before=$(find "$small" -type f | sort | xargs sha256sum)
	until ! cat "$IMAGE" >>"$small/filler"; do :; done 2>/dev/null
	run -1 --separate-stderr ctckpt export "$IMAGE" "oci:$small:b"
	assert_contains "$stderr" "No space left on device"
	rm "$small/filler"
	assert_equal "$(find "$small" -type f | sort | xargs sha256sum)" "$before"
	run -0 ctckpt import "oci:$small:a" -o "$BACK"
	cmp "$IMAGE" "$BACK"
	rm -r "$small"
}

@test "export: a damaged blob is not taken" {
	local layer
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT"
	layer=$(blob layers)
	printf %s not-what-was-there | dd of="$layer" bs=1 seek=200000 conv=notrunc status=none
	run -4 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK"
	assert_contains "$stderr" "blob ${layer##*/} is damaged: its digest is "
	truncate -s -1 "$layer"
	run -4 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK"
	assert_contains "$stderr" "blob ${layer##*/} has "
	rm "$layer"
	mkfifo "$layer"
	run -4 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK"
	assert_contains "$stderr" "blob ${layer##*/} is not there"
	rm "$layer"
	ln -s "$IMAGE" "$layer"
	run -4 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK"
	assert_contains "$stderr" "blob ${layer##*/} is not there"
	[[ ! -e $BACK ]]
}

# layer_replace PROGRAM: the layer becomes what this Python makes of `old`, the archive's bytes.
layer_replace() {
	python3 - "$LAYOUT" "$1" <<-'END'
		import gzip, hashlib, io, json, sys, tarfile
		layout, program = sys.argv[1:]
		path = lambda d: f"{layout}/blobs/sha256/" + d["digest"].split(":")[1]
		def put(d, data):
		    d["digest"], d["size"] = "sha256:" + hashlib.sha256(data).hexdigest(), len(data)
		    open(path(d), "wb").write(data)
		index = json.load(open(f"{layout}/index.json"))
		manifest = json.load(open(path(index["manifests"][0])))
		scope = {"old": open(path(manifest["layers"][0]), "rb").read(), "io": io, "gzip": gzip,
		         "tarfile": tarfile}
		exec(program, scope)
		put(manifest["layers"][0], scope["new"])
		put(index["manifests"][0], json.dumps(manifest).encode())
		json.dump(index, open(f"{layout}/index.json", "w"))
	END
}

@test "export: archives that others packed" {
	saved
	run -0 ctckpt export "$IMAGE" "oci:$LAYOUT"
	cp -r "$LAYOUT" "$LAYOUT.first"
	# With names in UTF-8 and long ones, in the two forms that tar has for them.
	local form
	for form in PAX GNU; do
		layer_replace "
image = tarfile.open(fileobj=io.BytesIO(old)).extractfile('checkpoint/ctckpt.img').read()
out = io.BytesIO()
tar = tarfile.open(fileobj=out, mode='w', format=tarfile.${form}_FORMAT)
for name, data in (('\u00fc', b'x'), ('d/' * 120 + 'f', b'y'), ('./checkpoint/ctckpt.img', image)):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
tar.close()
new = out.getvalue()"
		run -0 ctckpt import "oci:$LAYOUT" -o "$BACK" --force
		cmp "$IMAGE" "$BACK"
		rm -r "$LAYOUT"
		cp -r "$LAYOUT.first" "$LAYOUT"
	done
	layer_replace "new = b'\\x1f\\x8b' + old"
	run -4 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK.2"
	assert_contains "$stderr" "the layer is no archive: "
	rm -r "$LAYOUT"
	cp -r "$LAYOUT.first" "$LAYOUT"
	layer_replace "new = old[:-20000]"
	run -4 ctckpt import "oci:$LAYOUT" -o "$BACK.2"
	rm -r "$LAYOUT"
	cp -r "$LAYOUT.first" "$LAYOUT"
	# What is in it is whole as an archive, but no image.
	layer_replace "
out = io.BytesIO()
tar = tarfile.open(fileobj=out, mode='w')
info = tarfile.TarInfo('checkpoint/ctckpt.img')
info.size = 80 << 20
tar.addfile(info, open('/dev/zero', 'rb'))
tar.close()
new = gzip.compress(out.getvalue(), 1)"
	run -4 --separate-stderr ctckpt import "oci:$LAYOUT" -o "$BACK.2"
	assert_contains "$stderr" "import oci:$LAYOUT: "
	run -3 --separate-stderr ctckpt import --limit ratio=1 "oci:$LAYOUT" -o "$BACK.2"
	assert_contains "$stderr" "layer: more than "
	[[ ! -e $BACK.2 ]]
}
