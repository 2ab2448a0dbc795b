/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What HTTP says: ranges, conditions, paths, the log. */
#include "serve/accesslog.h"
#include "serve/byterange.h"
#include "serve/condition.h"
#include "serve/site.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "0-4 10-14", "whole" or "none". */
static char *
describe_ranges(const char *value, guint64 bytes)
{
	g_autoptr(GArray) ranges = NULL;
	g_autoptr(GString) text = g_string_new(NULL);

	switch (ash_byte_range_parse(value, bytes, &ranges)) {
	case ASH_BYTE_RANGE_WHOLE:
		return g_strdup("whole");
	case ASH_BYTE_RANGE_UNSATISFIABLE:
		return g_strdup("none");
	default:
		break;
	}
	for (guint i = 0; i < ranges->len; i++) {
		const AshByteRange *range = &g_array_index(ranges, AshByteRange, i);
		g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, i > 0 ? " " : "", range->first, range->last);
	}
	return g_strdup(text->str);
}

static void
test_ranges(void)
{
	static const struct {
		const char *value;
		guint64 bytes;
		const char *want;
	} cases[] = {
		{ NULL, 100, "whole" },
		{ "bytes=0-0", 100, "0-0" },
		{ "bytes=0-", 100, "0-99" },
		{ "BYTES=10-19", 100, "10-19" },
		{ "bytes=10-999", 100, "10-99" },
		{ "bytes=99-99", 100, "99-99" },
		{ "bytes=100-", 100, "none" },
		{ "bytes=100-200", 100, "none" },
		{ "bytes=-1", 100, "99-99" },
		{ "bytes=-500", 100, "0-99" },
		{ "bytes=-0", 100, "none" },
		{ "bytes=0-", 0, "none" },
		{ "bytes=-5", 0, "none" },
		{ "bytes=0-4,10-14", 100, "0-4 10-14" },
		{ "bytes=10-14, 0-4 ,\t90-", 100, "10-14 0-4 90-99" },
		{ "bytes=,0-4,,", 100, "0-4" },
		{ "bytes=0-4,200-300", 100, "0-4" },
		{ "bytes=200-,-0", 100, "none" },
		{ "bytes=0-,0-", 100, "whole" },        /* more than there is */
		{ "bytes=0-59,40-99", 100, "whole" },
		{ "bytes=", 100, "whole" },
		{ "bytes=,", 100, "whole" },
		{ "bytes=5-4", 100, "whole" },
		{ "bytes=a-b", 100, "whole" },
		{ "bytes=1", 100, "whole" },
		{ "bytes=--1", 100, "whole" },
		{ "bytes=1-2-3", 100, "whole" },
		{ "bytes=+1-2", 100, "whole" },
		{ "bytes=0x1-2", 100, "whole" },
		{ "bytes= 1 - 2", 100, "whole" },
		{ "bytes=0-4,x", 100, "whole" },
		{ "bytes 0-4", 100, "whole" },
		{ "items=0-4", 100, "whole" },
		{ "bytes=0-18446744073709551615", 100, "whole" }, /* no number for a file */
		{ "bytes=0-99999999999999999999999", 100, "whole" },
		{ "bytes=0-1844674407370955160", G_MAXUINT64 / 4, "0-1844674407370955160" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *found = describe_ranges(cases[i].value, cases[i].bytes);
		g_test_message("%s", cases[i].value);
		g_assert_cmpstr(found, ==, cases[i].want);
	}
}

static void
test_many_ranges(void)
{
	g_autoptr(GString) value = g_string_new("bytes=0-0");

	for (guint i = 1; i < ASH_BYTE_RANGE_MAX; i++)
		g_string_append(value, ",1-1");
	g_autofree char *most = describe_ranges(value->str, 1000);
	g_assert_true(g_str_has_prefix(most, "0-0 1-1"));
	g_string_append(value, ",5-5");
	g_autofree char *more = describe_ranges(value->str, 1000);
	g_assert_cmpstr(more, ==, "whole");
}

#define DATE  "Sun, 06 Nov 1994 08:49:37 GMT"
#define SOON  "Sun, 06 Nov 1994 08:49:38 GMT"
#define TIME  784111777

static void
test_conditions(void)
{
	static const AshValidators validators = { .etag = "\"abc\"", .modified = TIME };
	static const struct {
		AshConditions conditions;
		AshConditionVerdict want;
	} cases[] = {
		{ { 0 }, ASH_CONDITION_GO_ON },
		{ { .if_none_match = "\"abc\"" }, ASH_CONDITION_NOT_MODIFIED },
		{ { .if_none_match = "W/\"abc\"" }, ASH_CONDITION_NOT_MODIFIED },
		{ { .if_none_match = "\"x\", \"a,b\" ,\"abc\"" }, ASH_CONDITION_NOT_MODIFIED },
		{ { .if_none_match = "*" }, ASH_CONDITION_NOT_MODIFIED },
		{ { .if_none_match = "\"ab\"" }, ASH_CONDITION_GO_ON },
		{ { .if_none_match = "\"abcd\"" }, ASH_CONDITION_GO_ON },
		{ { .if_none_match = "abc" }, ASH_CONDITION_GO_ON },
		{ { .if_none_match = "\"abc" }, ASH_CONDITION_GO_ON },
		{ { .if_none_match = "" }, ASH_CONDITION_GO_ON },
		{ { .if_none_match = "\"x\"", .if_modified_since = SOON }, ASH_CONDITION_GO_ON }, /* the tag decides */
		{ { .if_modified_since = DATE }, ASH_CONDITION_NOT_MODIFIED },
		{ { .if_modified_since = "Sun, 06 Nov 1994 08:49:36 GMT" }, ASH_CONDITION_GO_ON },
		{ { .if_modified_since = "yesterday" }, ASH_CONDITION_GO_ON },
		{ { .if_match = "\"abc\"" }, ASH_CONDITION_GO_ON },
		{ { .if_match = "W/\"abc\"" }, ASH_CONDITION_FAILED },
		{ { .if_match = "\"x\"" }, ASH_CONDITION_FAILED },
		{ { .if_match = "*" }, ASH_CONDITION_GO_ON },
		{ { .if_unmodified_since = DATE }, ASH_CONDITION_GO_ON },
		{ { .if_unmodified_since = "Sun, 06 Nov 1994 08:49:36 GMT" }, ASH_CONDITION_FAILED },
		{ { .if_match = "\"abc\"", .if_none_match = "\"abc\"" }, ASH_CONDITION_NOT_MODIFIED },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %u", (guint) i);
		g_assert_cmpint(ash_condition_judge(&cases[i].conditions, &validators), ==, cases[i].want);
	}
}

static void
test_if_range(void)
{
	static const AshValidators validators = { .etag = "\"abc\"", .modified = TIME };
	static const struct {
		const char *value;
		bool want;
	} cases[] = { { NULL, true }, { "\"abc\"", true }, { "W/\"abc\"", false }, { "\"x\"", false }, { "*", false }, { DATE, true }, { SOON, false }, { "junk", false } };

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		const AshConditions conditions = { .if_range = cases[i].value };
		g_assert_cmpint(ash_condition_allows_range(&conditions, &validators), ==, cases[i].want);
	}
}

static void
test_dates(void)
{
	g_autofree char *text = ash_condition_format_date(TIME);
	gint64 time = 0;

	g_assert_cmpstr(text, ==, DATE);
	g_assert_true(ash_condition_parse_date(DATE, &time));
	g_assert_cmpint(time, ==, TIME);
	g_assert_false(ash_condition_parse_date("Sun, 31 Feb 1994 08:49:37 GMT", &time));
	g_assert_false(ash_condition_parse_date("Sun, 06 Xyz 1994 08:49:37 GMT", &time));
	g_assert_false(ash_condition_parse_date(DATE "x", &time));
	g_assert_false(ash_condition_parse_date("", &time));
}

static void
test_paths(void)
{
	static const struct {
		const char *target, *want;
	} cases[] = {
		{ "/metadata/timestamp.json", "metadata/timestamp.json" },
		{ "/targets/a%2Db/c.json", "targets/a-b/c.json" },
		{ "/a~b+c", "a~b+c" },
		{ "/", NULL }, { "", NULL }, { "x", NULL }, { "//x", NULL }, { "/a//b", NULL }, { "/a/", NULL },
		{ "/..", NULL }, { "/../x", NULL }, { "/a/../b", NULL }, { "/%2e%2e/x", NULL }, { "/a/%2E./b", NULL }, { "/..%2fx", NULL },
		{ "/a%2fb", NULL }, { "/.git/config", NULL }, { "/a/.hidden", NULL }, { "/%2ehidden", NULL }, { "/./x", NULL },
		{ "/a%00b", NULL }, { "/a%0ab", NULL }, { "/a%zz", NULL }, { "/a%", NULL }, { "/tmp/x", NULL }, { "/tmp", NULL }, { "/t%6dp/x", NULL },
		{ "/tmpx", "tmpx" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = ash_site_decode_path(cases[i].target);
		g_test_message("%s", cases[i].target);
		g_assert_cmpstr(path, ==, cases[i].want);
	}
	g_autofree char *long_one = g_strnfill(5000, 'x');
	long_one[0] = '/';
	g_assert_null(ash_site_decode_path(long_one));
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
write_file(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *parent = g_path_get_dirname(path);

	g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static int
open_file(int dir_fd, const char *path, char **ret_etag, const char **ret_caching)
{
	g_auto(AshSiteFile) file = { .fd = -1 };
	const int code = ash_site_open(dir_fd, path, &file);

	if (code == 0) {
		*ret_etag = g_strdup(file.etag);
		*ret_caching = file.caching;
	}
	return code;
}

static void
test_files(void)
{
	static const struct {
		const char *path, *etag; /* NULL: some */
		bool immutable;
	} cases[] = {
		{ "objects/01/" DIGEST, "\"" DIGEST "\"", true },
		{ "targets/a/" DIGEST ".1.0.json", "\"" DIGEST "\"", true },
		{ "metadata/1.root.json", NULL, true },
		{ "metadata/timestamp.json", NULL, false },
		{ "metadata/next.root.json", NULL, false },
		{ "ostree/objects/01/x.filez", NULL, true },
		{ "ostree/summary", NULL, false },
		{ "sysupdate/a/SHA256SUMS", NULL, false },
		{ DIGEST, NULL, false },
	};
	g_autofree char *dir = g_dir_make_tmp("ash-site-XXXXXX", NULL), *outside = g_build_filename(dir, "out", NULL);
	g_autofree char *top = g_build_filename(dir, "top", NULL), *link = g_build_filename(top, "link", NULL);
	g_autofree char *inner = g_build_filename(top, "inner", NULL), *fifo = g_build_filename(top, "fifo", NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		write_file(top, cases[i].path, "x");
	write_file(dir, "out/secret", "secret");
	g_assert_cmpint(symlink(outside, link), ==, 0);
	g_assert_cmpint(symlink("metadata", inner), ==, 0);
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	const int dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *etag = NULL;
		const char *caching = NULL;
		g_test_message("%s", cases[i].path);
		g_assert_cmpint(open_file(dir_fd, cases[i].path, &etag, &caching), ==, 0);
		if (cases[i].etag != NULL)
			g_assert_cmpstr(etag, ==, cases[i].etag);
		g_assert_cmpint(strstr(caching, "immutable") != NULL, ==, cases[i].immutable);
	}
	static const char *const refused[] = { "link/secret", "link", "inner/1.root.json", "../out/secret", "metadata", "nothing", "fifo" };
	for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autofree char *etag = NULL;
		const char *caching = NULL;
		g_test_message("%s", refused[i]);
		g_assert_cmpint(open_file(dir_fd, refused[i], &etag, &caching), ==, ENOENT);
	}
	close(dir_fd);
	const char *const command[] = { "rm", "-rf", dir, NULL };
	g_spawn_sync(NULL, (char **) command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

static void
test_log(void)
{
	const AshAccess access = { .host = "::1", .method = "GET", .target = "/a\"b\\c d\ne\x80?q", .protocol = "HTTP/1.1", .status = 200, .bytes = 7, .time = TIME };
	const AshAccess nothing = { .status = 400 };
	g_autofree char *line = ash_access_format(&access), *empty = ash_access_format(&nothing);

	g_assert_cmpstr(line, ==, "::1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a\\x22b\\x5cc\\x20d\\x0ae\\x80?q HTTP/1.1\" 200 7\n");
	g_assert_cmpstr(empty, ==, "- - - [01/Jan/1970:00:00:00 +0000] \"- - -\" 400 0\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/serve/range/single-and-many", test_ranges);
	g_test_add_func("/serve/range/too-many", test_many_ranges);
	g_test_add_func("/serve/condition/judge", test_conditions);
	g_test_add_func("/serve/condition/if-range", test_if_range);
	g_test_add_func("/serve/condition/dates", test_dates);
	g_test_add_func("/serve/site/paths", test_paths);
	g_test_add_func("/serve/site/files", test_files);
	g_test_add_func("/serve/log/format", test_log);
	return g_test_run();
}
