/* From the bytes of an image to a plan. See input.h. */
#include "restore/input.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/mount_place.h"
#include "kind/support/tree.h"
#include "policy/language.h"
#include "restore/join.h"

static int open_image(const struct ctckpt_plan_options *options, struct input *input,
		      struct err *err)
{
	struct image_limits own = image_limits_of_host();

	if (strcmp(options->image, "-") == 0)
		input->fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 3);
	else
		input->fd = open(options->image, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (input->fd < 0)
		return err_set(err, -errno, "open image");
	return image_read(input->fd, options->limits ? options->limits : &own, &input->image, err);
}

static int open_root(const char *rootfs, struct input *input, struct err *err)
{
	const struct record *record = image_next(input->image, TAG_CONTAINER, NULL);
	const struct container_rec *rec = record ? record->body : NULL;

	if (rootfs) {
		input->root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (input->root < 0)
			return err_set(err, -errno, "root file system %s", rootfs);
		input->facts.root = input->root;
		return 0;
	}
	if (rec && le32_get(rec->flags) & CONTAINER_ROOTFS) {
		(void)err_set(err, ERR_REFUSED, "the container had a root file system of its own");
		return err_hint(err, "name it with --rootfs DIR");
	}
	return 0;
}

static int make_plan(const char *policy_name, struct input *input, struct err *err)
{
	struct policies policies = POLICIES_NONE;
	int r = policies_load(policy_name, &policies, err);

	if (r == 0)
		r = plan_make_by(input->image, &policies, &input->facts, &input->plan, err);
	return r;
}

/* Each must be the place of a mount that the image lacks. */
static int name_volumes(const char *const *volumes, struct input *input, struct err *err)
{
	int r = volumes_parse(volumes, NULL, &input->volumes, err);

	input->volumes.are_kept = true;
	for (size_t i = 0; r == 0 && i < input->volumes.count; i++) {
		const char *point = input->volumes.list[i].point;

		if (!mount_is_named(input->image, point))
			return err_set(err, ERR_USAGE,
				       "the container has no mount of the host on %s", point);
		array_grow(input->facts.volumes, input->facts.volume_count);
		input->facts.volumes[input->facts.volume_count++] = mem_string(point);
	}
	return r;
}

static int take_bundle(const char *dir, struct input *input, struct err *err)
{
	int r = bundle_open(dir, &input->bundle, err);

	if (r == 0)
		input->facts.bound = bound_copy(input->bundle.bound);
	return r;
}

static int check_choice(const struct ctckpt_plan_options *options, struct err *err)
{
	if (options->bundle && (options->rootfs || (options->volumes && *options->volumes)))
		return err_set(err, ERR_USAGE,
			       "--bundle names the root directory and all mounts: %s does not go "
			       "with it",
			       options->rootfs ? "--rootfs" : "--volume");
	return 0;
}

static const char *policy_of(const struct ctckpt_plan_options *options)
{
	return options->policy || !options->bundle ? options->policy : "map";
}

int input_open(const struct ctckpt_plan_options *options, const struct grants *grants,
	       struct input *ret_input, struct err *err)
{
	auto_input struct input input = INPUT_NONE;
	int r = check_choice(options, err);

	if (r == 0)
		r = open_image(options, &input, err);
	if (r == 0)
		r = host_facts_get(&input.facts, err);
	if (r == 0 && options->join)
		r = join_take_facts(options->join, &input.facts, err);
	if (r == 0 && options->bundle)
		r = take_bundle(options->bundle, &input, err);
	if (r == 0)
		r = open_root(options->bundle ? input.bundle.rootfs : options->rootfs, &input, err);
	if (r == 0)
		r = name_volumes(options->volumes, &input, err);
	if (r == 0)
		r = grants_find(grants, input.image, &input.facts, err);
	input.facts.keeps_connections = options->tcp_established;
	/* What is left frozen can still be connected. */
	input.facts.is_network_promised = options->tcp_established && options->leave_frozen;
	input.facts.takes_files = options->file_system;
	if (r == 0)
		r = make_plan(policy_of(options), &input, err);
	if (r < 0)
		return r;
	*ret_input = input;
	input = INPUT_NONE;
	return 0;
}

void input_free(struct input *input)
{
	if (input->plan)
		plan_free(input->plan);
	image_free(input->image);
	host_facts_free(&input->facts);
	drop_fd(&input->fd);
	drop_fd(&input->root);
	volumes_free(&input->volumes);
	bundle_free(&input->bundle);
	*input = INPUT_NONE;
}

int ctckpt_plan(const struct ctckpt_plan_options *options, struct image **ret_image,
		struct plan **ret_plan, struct err *err)
{
	auto_input struct input input = INPUT_NONE;
	auto_grants struct grants taken = GRANTS_NONE;
	int r = grants_take(options->grants, &taken, err);

	if (r == 0)
		r = input_open(options, &taken, &input, err);
	if (r < 0)
		return r;
	*ret_image = take_ptr(input.image);
	*ret_plan = take_ptr(input.plan);
	return 0;
}
