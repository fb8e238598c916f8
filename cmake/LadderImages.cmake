# ladder_find_images()
#
# LADDER_IMAGES: read PNG and JPEG files. Default: ON where libpng and TurboJPEG are found.
function(ladder_find_images)
  find_package(PNG QUIET)
  find_package(TurboJPEG QUIET)
  set(possible OFF)
  if(PNG_FOUND AND TurboJPEG_FOUND)
    set(possible ON)
  endif()
  option(LADDER_IMAGES "Read PNG and JPEG files" ${possible})
  if(LADDER_IMAGES AND NOT possible)
    message(FATAL_ERROR
      "Ladder: expected libpng and TurboJPEG for LADDER_IMAGES=ON but found PNG '${PNG_LIBRARY}' and "
      "TurboJPEG '${TurboJPEG_LIBRARY}' (on Debian or Ubuntu: apt-get install libpng-dev "
      "libturbojpeg0-dev; LADDER_IMAGES=OFF needs neither).")
  elseif(NOT LADDER_IMAGES)
    message(STATUS "Ladder: no PNG and JPEG files (LADDER_IMAGES=OFF, or libpng or TurboJPEG is missing)")
  endif()
endfunction()
