/*
 * A board overlay's installer: one static program per board and host architecture.
 *
 *   get-options   stdin: YAML map of extra options; stdout: YAML with name, kernelArgs and,
 *                 where the boot loader needs room, partitionOptions.offset (sectors)
 *   install       stdin: YAML with installDisk, mountPrefix, artifactsPath, extraOptions
 *
 * Compiled twice: plain for rpi_generic (firmware and config.txt go to the ESP), and with ROCK64
 * defined for rock64 (boot loader at a fixed byte of the disk, one device tree on the ESP).
 */
#include <err.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef ROCK64
#define BOARD "rock64"
#define CONSOLE "console=ttyS2,1500000n8"
#else
#define BOARD "rpi_generic"
#define CONSOLE "console=ttyAMA0,115200"
#endif

enum { INPUT_MAX = 1 << 20, PATH_LEN = 4096, LOADER_OFFSET = 32768, FIRST_PARTITION = 20480 };

static char input[INPUT_MAX];
static char source_root[PATH_LEN], target_root[PATH_LEN];

/* Text after "key:" anywhere in the input, or NULL: a scalar on the same line, with or without
 * quotes, or the indented lines after "|", without their indentation. */
static char *value(const char *key)
{
	const size_t key_len = strlen(key);

	for (const char *line = input; line && *line; line = strchr(line, '\n'), line += !!line) {
		const size_t indent = strspn(line, " ");
		const char *at = line + indent;

		if (strncmp(at, key, key_len) || at[key_len] != ':')
			continue;
		at += key_len + 1;
		at += strspn(at, " ");
		if (*at == '"' || *at == '\'')
			return strndup(at + 1, strcspn(at + 1, *at == '"' ? "\"\n" : "'\n"));
		if (*at != '|')
			return strndup(at, strcspn(at, "\n"));

		char *text = calloc(1, INPUT_MAX), *end = text;
		const char *next = strchr(at, '\n');
		const size_t block = next ? strspn(next + 1, " ") : 0;

		while (text && next && block > indent && strspn(next + 1, " ") >= block) {
			const size_t len = strcspn(next + 1 + block, "\n");

			end = mempcpy(end, next + 1 + block, len);
			*end++ = '\n';
			next = strchr(next + 1, '\n');
		}
		return text;
	}
	return NULL;
}

static char *need(const char *key)
{
	char *text = value(key);

	if (!text || !*text)
		errx(1, "%s: %s is missing", BOARD, key);
	return text;
}

/* Opens a file for writing, its folders made first. */
static FILE *create(const char *path, const char *mode)
{
	char folder[PATH_LEN];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
		mkdir(folder, 0755);
	}
	FILE *file = fopen(path, mode);

	if (!file)
		err(1, "%s", path);
	return file;
}

static void copy(const char *from, FILE *to)
{
	static char buffer[1 << 16];
	FILE *file = fopen(from, "rb");
	size_t len;

	if (!file)
		err(1, "%s", from);
	while ((len = fread(buffer, 1, sizeof buffer, file)) > 0)
		if (fwrite(buffer, 1, len, to) != len)
			err(1, "%s", from);
	if (ferror(file) || fclose(file) || fclose(to))
		err(1, "%s", from);
}

static int copy_below(const char *path, const struct stat *status, int type)
{
	char target[2 * PATH_LEN];

	(void)status;
	if (type != FTW_F)
		return 0;
	snprintf(target, sizeof target, "%s%s", target_root, path + strlen(source_root));
	copy(path, create(target, "wb"));
	return 0;
}

static void install_rock64(const char *disk, const char *esp, const char *artifacts)
{
	char path[2 * PATH_LEN];
	const char *tree = "dtb/rockchip/rk3328-rock64.dtb";
	FILE *device = fopen(disk, "r+b");

	if (!device || fseek(device, LOADER_OFFSET, SEEK_SET))
		err(1, "%s", disk);
	snprintf(path, sizeof path, "%s/arm64/u-boot/rock64/u-boot-rockchip.bin", artifacts);
	copy(path, device);
	snprintf(path, sizeof path, "%s/%s", esp, tree);
	FILE *file = create(path, "wb");

	snprintf(path, sizeof path, "%s/arm64/%s", artifacts, tree);
	copy(path, file);
}

static void install_rpi(const char *esp, const char *artifacts)
{
	char path[2 * PATH_LEN];
	const char *config = value("configTxt"), *append = value("configTxtAppend");

	snprintf(source_root, sizeof source_root, "%s/arm64/firmware/boot", artifacts);
	snprintf(target_root, sizeof target_root, "%s", esp);
	if (ftw(source_root, copy_below, 16))
		err(1, "%s", source_root);
	snprintf(path, sizeof path, "%s/u-boot.bin", esp);
	FILE *file = create(path, "wb");

	snprintf(path, sizeof path, "%s/arm64/u-boot/rpi_generic/u-boot.bin", artifacts);
	copy(path, file);
	snprintf(path, sizeof path, "%s/config.txt", esp);
	file = create(path, "w");
	fputs(config ? config : "arm_64bit=1\nenable_uart=1\nkernel=u-boot.bin\n", file);
	if (append)
		fprintf(file, "\n%s", append);
	if (fclose(file))
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	const char *verb = argc == 2 ? argv[1] : "";

	if (!fread(input, 1, sizeof input - 1, stdin) && ferror(stdin))
		err(1, "stdin");
	if (!strcmp(verb, "get-options")) {
		printf("name: " BOARD "\nkernelArgs:\n    - console=tty0\n    - " CONSOLE "\n"
		       "    - sysctl.kernel.kexec_load_disabled=1\n"
		       "    - talos.dashboard.disabled=1\n");
#ifdef ROCK64
		printf("partitionOptions:\n    offset: %d\n", FIRST_PARTITION);
#endif
		return 0;
	}
	if (strcmp(verb, "install"))
		errx(2, "usage: %s get-options|install", argv[0]);

	char esp[PATH_LEN];

	snprintf(esp, sizeof esp, "%s/boot/EFI", need("mountPrefix"));
#ifdef ROCK64
	install_rock64(need("installDisk"), esp, need("artifactsPath"));
	(void)install_rpi;
	(void)copy_below;
#else
	install_rpi(esp, need("artifactsPath"));
	(void)install_rock64;
#endif
	return 0;
}
