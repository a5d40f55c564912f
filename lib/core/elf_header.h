/* The head of an executable of 64 bits that is made on the spot, elf(5); its `segments` program
 * headers stand right behind it. */
#pragma once

#include <elf.h>
#include <stdint.h>

static inline Elf64_Ehdr elf_header(uint64_t entry, uint16_t segments)
{
	return (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = entry,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = segments,
	};
}
